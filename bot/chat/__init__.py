"""The only folder that speaks Telegram: words in, sentences out; every decision about orders is the desk's."""
