"""Limits of the conference: token buckets, budgets of accounts, admission."""
