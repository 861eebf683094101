"""The panel in a browser, with a model that says what the test wants."""
