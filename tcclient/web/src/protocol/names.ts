/** The most characters of an account. It is typed at every login, and stands before each name in the roster. */
export const MAX_ACCOUNT_CHARACTERS = 32;
/** The most characters of a display name, so that it fits a line of the roster. */
export const MAX_DISPLAY_CHARACTERS = 64;
/** The most characters of a room name, so that it fits a line of a list. */
export const MAX_ROOM_CHARACTERS = 64;
