// Sets the theme before the first paint. A file of its own, because the content security policy forbids inline scripts.
(function () {
  var t = 'system';
  try { t = (JSON.parse(localStorage.getItem('hulotte.prefs') || '{}') || {}).theme || t; } catch (e) { /* private mode: follow the system */ }
  if (t !== 'dark' && t !== 'light') t = matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark';
  document.documentElement.dataset.theme = t;
})();
