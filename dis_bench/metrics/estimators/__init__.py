"""Estimators that metrics use: boosted trees, logistic regression, nearest neighbours."""
