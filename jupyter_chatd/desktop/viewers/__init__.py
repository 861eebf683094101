"""People who look at a desktop through the server: what of their RFB may pass, and what of it is input."""
