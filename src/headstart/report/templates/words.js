// Words of this script: English at their places, translations of the report's language in the page's data.
const say = (() => {
  const source = document.getElementById("page-words");
  const words = source ? JSON.parse(source.textContent) : {};
  const filled = (message, fields) => message.replace(/\{(\w+)\}/g, (whole, name) => fields[name] ?? whole);
  return (message, fields = {}) => filled(words[message] ?? message, fields);
})();
