"""Languages of the report: English stands in the code, catalogues hold translations."""
