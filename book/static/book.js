// Small mends of the theme for keyboard and screen reader.
(() => {
  "use strict";
  // A wide table or formula scrolls inside itself; the keyboard must be able to reach it.
  function reach() {
    const wide = ".pst-scrollable-table-container, div.math, mjx-container[display='true'], .cell_output .text_html, pre";
    for (const box of document.querySelectorAll(wide)) {
      if (box.scrollWidth > box.clientWidth + 1 && !box.hasAttribute("tabindex")) box.tabIndex = 0;
    }
  }
  window.addEventListener("load", () => {
    reach();
    if (window.MathJax?.startup?.promise) window.MathJax.startup.promise.then(reach);
  });
  window.addEventListener("resize", reach);
})();
