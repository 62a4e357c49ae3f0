"use strict";
// Play: latents as sliders beside the images that a model decodes from them.
