"""Table columns: what stands beside the picture, such as an age or a site, and how a head is shown it."""
