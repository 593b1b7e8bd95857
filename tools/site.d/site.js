// Mathematics: what pymdownx.arithmatex has marked, set by KaTeX.
document.addEventListener("DOMContentLoaded", () => {
  for (const element of document.querySelectorAll(".arithmatex")) {
    const found = /^\s*\\([([])([\s\S]*)\\[)\]]\s*$/.exec(element.textContent);
    if (found) katex.render(found[2], element, {displayMode: found[1] === "[", throwOnError: true});
  }
});
