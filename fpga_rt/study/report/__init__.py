"""A study's results as one page: tables, plots and timelines, in any browser, no network."""
