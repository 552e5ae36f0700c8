"""The texts of messages: order cards, notices and reports. Everything here is pure: data in, text and buttons out."""
