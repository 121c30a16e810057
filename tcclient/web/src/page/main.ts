/** The entry of the page. */

import { createMeeting } from "../engine/client.js";
import { App } from "./app.js";

const address = new URL(location.href);
const root = document.getElementById("page");
if (root === null) throw new Error("the document has no place for the page");

const meeting = createMeeting({
  socket: `${address.protocol === "https:" ? "wss" : "ws"}://${address.host}/tc`,
  soundProcessing: address.searchParams.get("processing") !== "off",
});
new App(meeting, root).start();
