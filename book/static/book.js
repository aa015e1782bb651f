// Small mends of the theme for keyboard and screen reader; figures that open large; the entry of a citation beside it.
(() => {
  "use strict";

  // A wide table, formula or figure scrolls inside itself; the keyboard must be able to reach it.
  function reach() {
    const wide =
      ".pst-scrollable-table-container, div.math, mjx-container[display='true'], .cell_output .text_html, pre, .fm-scroll, .fmlib-frozen-shown";
    for (const box of document.querySelectorAll(wide)) {
      if (box.scrollWidth > box.clientWidth + 1 && !box.hasAttribute("tabindex")) box.tabIndex = 0;
    }
  }

  function element(tag, properties) {
    return Object.assign(document.createElement(tag), properties);
  }

  // A button, or a tap on the figure, shows it at its full size or larger. Escape closes it, and the focus goes to
  // its button.
  function enlarge(picture, button) {
    const dialog = element("dialog", { className: "fm-large", ariaLabel: "Figure" });
    const close = element("button", { type: "button", textContent: "Close" });
    const large = element("img", { src: picture.src, alt: picture.alt });
    const natural = picture.naturalWidth || picture.width;
    large.style.width = `${Math.max(natural, Math.min(0.95 * innerWidth - 20, 1.8 * natural))}px`;
    dialog.append(close, large);
    dialog.addEventListener("click", (event) => {
      if (event.target !== large) dialog.close();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      button.focus();
    });
    document.body.append(dialog);
    dialog.showModal();
  }

  function makeFiguresLarge() {
    for (const figure of document.querySelectorAll(".fm-figure")) {
      const picture = figure.querySelector("img");
      const button = element("button", { type: "button", className: "fm-enlarge", textContent: "Enlarge" });
      for (const place of [button, picture]) {
        place.addEventListener("click", () => enlarge(picture, button));
      }
      figure.append(button);
    }
  }

  // Who tries a control that wants a running notebook is shown the note that says so.
  function explainFrozen() {
    for (const frozen of document.querySelectorAll(".fmlib-frozen")) {
      const note = frozen.querySelector(".fmlib-frozen-note");
      frozen.addEventListener("click", (event) => {
        if (event.target.closest(".fmlib-frozen-note, .fmlib-frozen-shown")) return;
        note.classList.add("fmlib-look");
        setTimeout(() => note.classList.remove("fmlib-look"), 1500);
      });
    }
  }

  // On hover, focus and tap a citation shows its entry; a second tap, a click or Enter follows the link.
  function showEntries() {
    const store = document.getElementById("fmlib-cited");
    if (!store) return;
    const card = element("div", { id: "fmlib-entry", hidden: true });
    card.setAttribute("role", "tooltip");
    document.body.append(card);
    let open = null;
    let leaving = 0;
    function hide() {
      card.hidden = true;
      open?.removeAttribute("aria-describedby");
      open = null;
    }
    function show(link, entry, touched) {
      clearTimeout(leaving);
      if (open === link) return;
      hide();
      open = link;
      card.replaceChildren(entry.cloneNode(true));
      if (touched) card.append(element("p", { textContent: "Tap the citation again to go to the list of references." }));
      card.hidden = false;
      const at = link.getClientRects()[0];
      const left = Math.max(8, Math.min(at.left, document.documentElement.clientWidth - card.offsetWidth - 8));
      const below = at.bottom + 6 + card.offsetHeight < innerHeight || at.top < card.offsetHeight + 6;
      card.style.left = `${left + scrollX}px`;
      card.style.top = `${(below ? at.bottom + 6 : at.top - 6 - card.offsetHeight) + scrollY}px`;
      link.setAttribute("aria-describedby", card.id);
    }
    const leave = () => {
      clearTimeout(leaving);
      leaving = setTimeout(hide, 250);
    };
    card.addEventListener("pointerenter", () => clearTimeout(leaving));
    card.addEventListener("pointerleave", leave);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") hide();
    });
    for (const link of document.querySelectorAll('article a[href*="references.html#cite-"]')) {
      const entry = store.content.querySelector(`[data-cite="${CSS.escape(link.hash.slice(1))}"]`);
      if (!entry) continue;
      let touched = false;
      link.addEventListener("pointerdown", (event) => {
        touched = event.pointerType === "touch";
        link.dataset.shown = open === link ? "1" : "";
      });
      link.addEventListener("pointerenter", (event) => {
        if (event.pointerType !== "touch") show(link, entry, false);
      });
      link.addEventListener("pointerleave", (event) => {
        if (event.pointerType !== "touch") leave();
      });
      link.addEventListener("focus", () => show(link, entry, touched));
      link.addEventListener("blur", leave);
      link.addEventListener("click", (event) => {
        if (touched && !link.dataset.shown) {
          event.preventDefault();
          show(link, entry, true);
        }
        touched = false;
      });
    }
  }

  makeFiguresLarge();
  explainFrozen();
  showEntries();
  window.addEventListener("load", () => {
    reach();
    if (window.MathJax?.startup?.promise) window.MathJax.startup.promise.then(reach);
  });
  window.addEventListener("resize", reach);
})();
