"""Which colours, corners and fonts does the page have?  System fonts alone: nothing is fetched."""

import gradio as gr

THEME = gr.themes.Base(
    primary_hue="teal",
    neutral_hue="stone",
    radius_size="lg",
    font=["system-ui", "-apple-system", "'Segoe UI'", "Roboto", "sans-serif"],
    font_mono=["ui-monospace", "Consolas", "monospace"],
).set(
    body_background_fill="*neutral_100",
    body_background_fill_dark="*neutral_950",
    block_background_fill="white",
    block_background_fill_dark="*neutral_900",
    block_border_width="1px",
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_dark="*primary_700",
    button_primary_background_fill_hover_dark="*primary_800",
    button_primary_text_color="white",
    button_large_radius="*radius_md",
    color_accent="*primary_700",
    block_label_text_color="*neutral_600",
    block_title_text_color="*neutral_700",
    block_title_text_size="*text_sm",
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_400",
    block_info_text_color="*neutral_600",
    block_info_text_color_dark="*neutral_400",
)
