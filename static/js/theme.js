// Runs before the first paint so that the page never flashes in the wrong theme. The server writes data-theme from the account.
{
  const wanted = localStorage.getItem("theme");
  if (wanted) document.documentElement.dataset.theme = wanted;
}
