// Stored ipywidgets need their manager, 1.9 MB. It is loaded only when a reader comes near the first widget.
(() => {
  "use strict";
  const here = document.currentScript.src;

  // The manager knows MathJax 2 only; what it asks for there, MathJax 3 does here.
  function bridge() {
    const mathjax = window.MathJax;
    if (!mathjax || mathjax.Hub) return;
    const typeset = (call) => {
      if (Array.isArray(call) && call[0] === "Typeset" && mathjax.typesetPromise) mathjax.typesetPromise([call[2]]);
    };
    mathjax.Hub = { Queue: (...calls) => calls.forEach(typeset), Config() {}, Configured() {} };
  }

  // The handles of sliders have no name of their own: they get their label's.
  function name(box) {
    for (const handle of box.querySelectorAll('[role="slider"]:not([aria-label])')) {
      const label = handle.closest(".jupyter-widgets:has(.widget-label)")?.querySelector(".widget-label");
      handle.setAttribute("aria-label", label?.textContent.trim() || label?.title || "slider");
    }
  }

  function load() {
    bridge();
    // The manager waits for the window's load event, which is over by now: hand it straight its listener.
    const listen = window.addEventListener;
    const waiting = [];
    window.addEventListener = function (type, listener, options) {
      if (type === "load") waiting.push(listener);
      else listen.call(window, type, listener, options);
    };
    const script = document.createElement("script");
    script.src = new URL("vendor/widgets/embed.js", here).href;
    script.setAttribute("data-jupyter-widgets-cdn", new URL("vendor/widgets/", here).href);
    script.onload = () => {
      window.addEventListener = listen;
      waiting.forEach((listener) => listener.call(window, new Event("load")));
    };
    script.onerror = () => {
      window.addEventListener = listen;
    };
    document.head.append(script);
  }

  function start() {
    const views = [...document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]')];
    if (!views.length) return;
    views.forEach((view) => {
      const box = view.parentElement;
      box.classList.add("fmlib-widget");
      new MutationObserver(() => name(box)).observe(box, { childList: true, subtree: true });
    });
    const observer = new IntersectionObserver(
      (entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        observer.disconnect();
        load();
      },
      { rootMargin: "800px" },
    );
    views.forEach((view) => observer.observe(view.parentElement));
  }

  if (document.readyState === "complete") start();
  else window.addEventListener("load", start);
})();
