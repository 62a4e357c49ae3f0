"""SmallNORB (LeCun et al. 2004): photographs of fifty toys."""
