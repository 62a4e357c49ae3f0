"""Estimators that metrics fit: trees, boosting, logistic regression, neighbours."""
