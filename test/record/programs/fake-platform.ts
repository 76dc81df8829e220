/**
 * Makes the process believe that it runs on another platform, where the variable
 * FAKE_PLATFORM names one. Loaded by tests before anything else.
 */
const fake = process.env["FAKE_PLATFORM"];
if (fake) Object.defineProperty(process, "platform", { value: fake });
