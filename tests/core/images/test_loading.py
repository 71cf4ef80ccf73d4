"""Photos by URI, as a plugin that looks at the photo itself loads them."""

import numpy as np
import pytest
from support import toys

from text2face_core.errors import BadPhoto
from text2face_core.images import decode_image, load_image
from text2face_core.sources import uri_of


def test_a_photo_is_loaded_by_its_uri(tmp_path):
    path = toys.draw_photo(tmp_path / "a photo.png")
    np.testing.assert_array_equal(load_image(uri_of(path)), decode_image(path))


def test_a_photo_that_is_gone_is_a_bad_photo(tmp_path):
    with pytest.raises(BadPhoto):
        load_image(uri_of(tmp_path / "gone.png"))
