//! Byte classes of RFC 9110 and RFC 3986 in one table, and a cursor that eats runs of a class.

/// A byte of a field name: `token` of RFC 9110 §5.6.2 without `_` (PX-40).
pub(super) const NAME: u8 = 1;
/// A byte of a field value: visible ASCII, space or tab. `obs-text` is refused (RFC 9110 §5.5).
pub(super) const VALUE: u8 = 1 << 1;
/// A byte that can stand in a request target at all: visible ASCII.
pub(super) const VISIBLE: u8 = 1 << 2;
/// A byte that stands for itself in a path segment: `pchar` of RFC 3986 §3.3 without `%` and `;`.
pub(super) const SEGMENT: u8 = 1 << 3;
/// A byte that stands for itself in a query. `[` and `]` are not in RFC 3986 §3.4, but browsers send
/// them unescaped (WHATWG URL §1.3), and no parser gives them a second meaning there.
pub(super) const QUERY: u8 = 1 << 4;
/// A byte that a canonical path writes as a percent-escape: it cannot stand for itself and is none of
/// those that change meaning when somebody decodes twice (`/ \ % ; ? #` and controls, PX-22).
pub(super) const ESCAPED: u8 = 1 << 5;
/// A byte of a label in a host name, lower or upper case.
pub(super) const LABEL: u8 = 1 << 6;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0_u8; 256];
    let mut value = 0_usize;
    while value < 256 {
        // The loop bound keeps the value inside a byte.
        #[expect(clippy::cast_possible_truncation, reason = "value < 256")]
        #[expect(clippy::indexing_slicing, reason = "value < 256, evaluated at compile time")]
        {
            table[value] = classes_of(value as u8);
        }
        value += 1;
    }
    table
}

const fn classes_of(byte: u8) -> u8 {
    let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let delimiter =
        matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=');
    let segment = unreserved || delimiter || matches!(byte, b':' | b'@');
    let token = byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+')
        || matches!(byte, b'-' | b'.' | b'^' | b'`' | b'|' | b'~');
    let visible = byte > 0x20 && byte < 0x7f;
    let dangerous = matches!(byte, b'/' | b'\\' | b'%' | b';' | b'?' | b'#');
    let control = byte < 0x20 || byte == 0x7f;
    let mut bits = 0;
    if token {
        bits |= NAME;
    }
    if visible || byte == b' ' || byte == b'\t' {
        bits |= VALUE;
    }
    if visible {
        bits |= VISIBLE;
    }
    if segment {
        bits |= SEGMENT;
    }
    if segment || matches!(byte, b';' | b'/' | b'?' | b'[' | b']') {
        bits |= QUERY;
    }
    if !segment && !dangerous && !control {
        bits |= ESCAPED;
    }
    if byte.is_ascii_alphanumeric() || byte == b'-' {
        bits |= LABEL;
    }
    bits
}

/// Whether `byte` is of `class`.
pub(super) fn is(byte: u8, class: u8) -> bool {
    CLASSES.get(usize::from(byte)).is_some_and(|bits| bits & class != 0)
}

/// Whether every byte is of `class`.
pub(super) fn all(bytes: &[u8], class: u8) -> bool {
    bytes.iter().all(|byte| is(*byte, class))
}

/// Splits `bytes` after the longest run of `class` at its start.
pub(super) fn split_run(bytes: &[u8], class: u8) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !is(*byte, class)).unwrap_or(bytes.len());
    bytes.split_at_checked(end).unwrap_or((bytes, &[]))
}

/// Reads two hex digits as a byte; `None` when one is not a digit.
pub(super) fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_of_a_path_is_literal_or_escaped_or_forbidden() {
        for byte in 0..=255_u8 {
            assert!(!(is(byte, SEGMENT) && is(byte, ESCAPED)), "{byte:#x}");
        }
        for byte in b"/\\%;?#\x00\x1f\x7f" {
            assert!(!is(*byte, SEGMENT) && !is(*byte, ESCAPED), "{byte:#x}");
        }
        for byte in b" \"<>[]^`{|}\x80\xff" {
            assert!(is(*byte, ESCAPED), "{byte:#x}");
        }
    }

    #[test]
    fn names_hold_no_underscore_and_values_no_control() {
        assert!(all(b"X-Request-Id.v1", NAME));
        for byte in b"_ :\t\x00()<>@,;\\\"/[]?={}\x7f\xe9" {
            assert!(!is(*byte, NAME), "{byte:#x}");
        }
        for byte in b"\r\n\x00\x0b\x1b\x7f\x80\xff" {
            assert!(!is(*byte, VALUE), "{byte:#x}");
        }
    }

    #[test]
    fn reads_hex_of_both_cases() {
        assert_eq!(hex_pair(b'2', b'F'), Some(0x2f));
        assert_eq!(hex_pair(b'c', b'3'), Some(0xc3));
        assert_eq!(hex_pair(b'g', b'0'), None);
        assert_eq!(hex_pair(b'+', b'1'), None);
    }
}
