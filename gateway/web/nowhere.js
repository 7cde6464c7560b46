/** What is shown at an address that is no page's. */

import { startPage } from "./page.js";

const texts = await startPage();
document.title = texts.say("page.nowhere_title");
