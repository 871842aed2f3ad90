// What the browser says when a passkey was not used, in a sentence with a way on.
import { toast } from "./toast.js";

const words = document.getElementById("passkey-words").dataset;
const SAID = { InvalidStateError: words.known, NotSupportedError: words.unknown, SecurityError: words.unknown };

document.addEventListener("allauth.error", (event) => {
  event.preventDefault();  // else the library writes it to the console, where nobody looks
  const name = window.PublicKeyCredential ? event.detail.exception?.name : "NotSupportedError";
  toast(SAID[name] ?? words.stopped, "danger");
});
