"use strict";
// What each latent knows.
