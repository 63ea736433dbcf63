//! Reads files, reports every error at once with file, key and line, yields each module's settings.
