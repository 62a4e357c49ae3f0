"""Pairs of images that differ in some factors: published laws of which, and by how much.

- ``k=1``: one factor takes another value (Locatello et al. 2020). In their code its new value is uniform over
  all values, so that 1 / size of its pairs are twice the same image.
- ``k=random``: a uniform number of factors do, from one to all but one (ibid.). The law UNI of Klindt et al.
  2021 is the same, and ``UNI`` names it as well.
- ``locatello_code``: what the code of Locatello et al. 2020 draws where its k is random. With probability a
  half it is one factor, else a uniform number of them as above; new values are uniform over all values, so
  they may be the old ones, and a pair may be twice the same image.
- ``LAP``: each ordered factor makes a step whose probability falls exponentially, truncated to the grid, with
  scale log(size) (Klindt et al. 2021, with rate 1); categorical factors stay, and circular ones do not pass
  their ends. Where nothing changed, one ordered factor is drawn uniformly, and another value for it.

Factors with one value take no part. :mod:`dis_bench.models.partners` draws by these laws; this module does
not import numpy.
"""

LAWS = ("k=1", "k=random", "locatello_code", "LAP", "UNI")
