"""Figures of the course, and the one way of showing them on a page."""

import base64
import io


def show(figure, alt, dpi=100):
    """Display `figure` as a PNG that carries `alt`, its description in words.

    The text form is the description too, for readers and viewers without pictures.
    """
    from IPython.display import display

    if not alt or not alt.strip():
        raise ValueError("alt must say in words what the figure shows, got nothing")
    picture = io.BytesIO()
    # no version of matplotlib in the file: it would change the stored page
    figure.savefig(picture, format="png", dpi=dpi, metadata={"Software": None})
    bundle = {
        "image/png": base64.b64encode(picture.getvalue()).decode(),
        "text/plain": f"Figure: {alt}",
    }
    display(bundle, raw=True, metadata={"image/png": {"alt": alt}})
