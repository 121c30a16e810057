"""HTTP of the server: requests and answers, the hosts that it goes by, and the site. Pure."""
