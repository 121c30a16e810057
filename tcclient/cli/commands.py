"""The commands that a user types in a room: names, arguments and texts of help."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """A line that begins with a slash."""

    name: str
    takes: str
    """What follows the name, as in usage lines. Brackets mean that it may be left out."""
    short: str
    """A few words."""
    full: str

    @property
    def usage(self) -> str:
        """The line to type."""
        return f"{self.name} {self.takes}".rstrip()


COMMANDS = (
    Command(
        "/mute",
        "[WHO]",
        "your microphone off; with WHO: ask somebody to mute",
        "Without a name your own microphone is off at once, and everybody sees it; the camera goes on (see /video). "
        "With a name your own microphone stays as it is, and WHO is asked to mute; a chair may say all. A chair can do "
        "more: /hold WHO.",
    ),
    Command(
        "/unmute",
        "[WHO]",
        "your microphone on; with WHO: ask somebody to unmute",
        "Without a name your own microphone is on again. With a name WHO is asked to unmute: nobody can open the "
        "microphone of somebody else.",
    ),
    Command(
        "/video",
        "[on|off]",
        "your camera on or off",
        "Without a word the camera changes its state. The microphone stays as it is.",
    ),
    Command(
        "/audio-only",
        "[on|off]",
        "get no pictures of others, or get them again",
        "Saves what pictures take of your line, and of a recording. With off they come again. Your own camera goes on.",
    ),
    Command(
        "/mic",
        "[DEVICE]",
        "send a microphone from now on, or start it again",
        "Starts the microphone again after a fault, or starts to send one. DEVICE is a name or number that `tcclient "
        "devices` lists. Without it the device from before is used, or else the default of the system.",
    ),
    Command(
        "/camera",
        "[DEVICE]",
        "send a camera from now on, or start it again",
        "As /mic, with pictures. DEVICE is a file such as /dev/video2.",
    ),
    Command(
        "/talk",
        "",
        "push-to-talk: start",
        "Your microphone is heard until /hush. Only with --gate push-to-talk.",
    ),
    Command("/hush", "", "push-to-talk: end", "Your microphone is silent until /talk. Only with --gate push-to-talk."),
    Command(
        "/who",
        "",
        "who is here",
        "Lists all participants: role, what they send, whether it is muted, their place in the line of raised hands, "
        "and what is doubtful about them. A star marks those who speak.",
    ),
    Command("/hand", "", "raise your hand", "Everybody sees the raised hands, in the order in which they were raised."),
    Command(
        "/lower",
        "[WHO]",
        "lower your hand; chair: that of WHO, or of all",
        "Without a name your own hand is lowered. A chair lowers the hand of WHO, or with all the hands of all.",
    ),
    Command(
        "/next",
        "",
        "chair: give the turn to the first raised hand",
        "Who raised the hand first may unmute, if the microphone was held, and is asked to. The hand is lowered. For a "
        "chair.",
    ),
    Command(
        "/volume",
        "WHO PERCENT",
        "how loud you hear somebody",
        "100 leaves the sound as it came, 0 is silent, 200 is the most. Only you hear the difference, until you leave. "
        "Recordings do not change.",
    ),
    Command(
        "/priority",
        "WHO",
        "hear the others softer while somebody talks",
        "While WHO talks, all others are 12 dB softer. Only you hear that. Enter the same line again to end it.",
    ),
    Command(
        "/code",
        "",
        "the safety code, to be compared aloud",
        "Shows 30 digits. They are equal for all who see the same members, devices and server: read them aloud. They "
        "change whenever somebody comes or goes.",
    ),
    Command(
        "/quality",
        "",
        "the state of the network",
        "Shows path, round trip time and loss since you joined, and how good speech should be in each direction "
        "(score: 4 is good, below 3 is hard to follow). The line at the bottom shows the last ten seconds.",
    ),
    Command(
        "/data",
        "",
        "the data that the meeting has taken",
        "Shows megabytes in both directions since you joined, and what an hour takes if it goes on so. --data-cap sets "
        "a limit.",
    ),
    Command(
        "/msg",
        "WHO TEXT",
        "a private text to one participant",
        "WHO is an account, or a part of a name without spaces that only one participant has.",
    ),
    Command(
        "/notice",
        "TEXT",
        "operator: a text to everybody on the server",
        "All rooms see it, as a notice. It is not end-to-end encrypted. For the role admin.",
    ),
    Command(
        "/hold",
        "WHO [camera]",
        "chair: hold a microphone muted, or all; or a camera",
        "The server drops the sound of WHO, who cannot unmute until /release WHO. With camera, screen or screen_audio "
        "behind WHO it is that instead. With all: everybody but chairs.",
    ),
    Command(
        "/release",
        "WHO [camera]",
        "chair: end a hold",
        "The microphone stays muted until WHO unmutes it; or what is named behind WHO, as with /hold. With all: the "
        "holds of everybody. For a chair.",
    ),
    Command(
        "/audio-only-all",
        "[on|off]",
        "chair: stop all pictures of the room, or end that",
        "The server drops all pictures, yours too, and nobody can send any until /audio-only-all off. Then each turns "
        "the own camera on again, with /video on. For a chair.",
    ),
    Command("/kick", "WHO", "chair: remove somebody from the room", "WHO has to leave. For a chair or the operator."),
    Command(
        "/role",
        "WHO ROLE",
        "chair: make somebody chair, speaker or listener",
        "Changes what WHO may do, as long as WHO is here. A listener sends neither sound nor pictures.",
    ),
    Command("/title", "TEXT", "chair: change the title of the room", "Everybody sees the title. For a chair."),
    Command("/limit", "N", "chair: how many may be here", "Nobody who is here has to leave. For a chair."),
    Command("/lock", "", "chair: let nobody else enter", "Those who were here may come back. For a chair."),
    Command("/unlock", "", "chair: let others enter again", "The room is open as before. For a chair."),
    Command(
        "/close",
        "",
        "chair: end the meeting for all",
        "Everybody has to leave, you too. A permanent room stays, and can be joined again.",
    ),
    Command(
        "/help",
        "[COMMAND]",
        "this list, or what one command does",
        "A line without a slash is a text to all; begin it with two slashes for a text that begins with one. WHO is an "
        "account, or a part of a name that only one participant has. A refused text comes back into the line. "
        "Arrow up and down: what was typed before.",
    ),
    Command("/quit", "", "leave (so does Ctrl-C)", "The meeting goes on for the others."),
)

_BY_NAME = {command.name: command for command in COMMANDS}


class Unknown(ValueError):
    """There is no such command. The text names the commands that there are."""


def parse(line: str) -> tuple[str, str] | None:
    """Return name and argument of a command, or None for a text. Raises ``Unknown``.

    A line with spaces before its slash is a command, too: otherwise a slip could send a private text to all.
    """
    bare = line.lstrip()
    if not bare.startswith("/") or bare.startswith("//"):
        return None
    name = bare.split(maxsplit=1)[0]
    return find(name).name, bare[len(name) :].lstrip()


def text_of(line: str) -> str:
    """Return the text that a line stands for, if it is no command."""
    return line.replace("//", "/", 1) if line.lstrip().startswith("//") else line


def find(name: str) -> Command:
    """Return the command of that name, with or without slash. Raises ``Unknown``."""
    command = _BY_NAME.get("/" + name.removeprefix("/"))
    if command is None:
        raise Unknown(f"{name} is no command; nothing was sent. There are: {' '.join(_BY_NAME)}")
    return command


def help_lines(name: str = "") -> list[str]:
    """Return what /help shows: a line for each command, or all about one. Raises ``Unknown``."""
    if name:
        command = find(name)
        return [f"{command.usage}: {command.short}", command.full]
    width = max(len(command.usage) for command in COMMANDS)
    return [f"{command.usage:<{width}}  {command.short}" for command in COMMANDS]
