"""What does the browser get?  Everything of the page that needs no gradio: texts, tables, styles, scripts."""
