"""The approval service: Slack's buttons become answers in the audit log."""
