"""Drawing: values to lines of text and roles, without Textual."""
