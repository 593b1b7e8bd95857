// Mathematics: what pymdownx.arithmatex has marked, set by KaTeX.
document.addEventListener("DOMContentLoaded", () => {
  for (const element of document.querySelectorAll(".arithmatex")) {
    const found = /^\s*\\([([])([\s\S]*)\\[)\]]\s*$/.exec(element.textContent);
    if (found) katex.render(found[2], element, {displayMode: found[1] === "[", throwOnError: true});
  }
});

// The search has each Chinese character as a word (tools/site.d/pages.py): so do questions to it, whose messages are of type 2.
const post = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message, ...rest) {
  if (message && message.type === 2 && typeof message.data === "string")
    message.data = message.data.replace(/\+?[\u3400-\u9fff]+/g, run => " " + [...run.replace("+", "")].map(c => "+" + c).join(" ") + " ").trim();
  return post.call(this, message, ...rest);
};
