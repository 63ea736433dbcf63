//! A bound on how deep a policy goes, found before it is parsed: the parser calls itself once a level, and running out of
//! stack would end the process.

/// Deepest brackets within each other: ordinary policies have five.
const BRACKETS_MAX: usize = 32;

/// Most operators, accesses and `if`s of one policy: each may be a level of its expression.
const OPERATORS_MAX: usize = 400;

/// Where a text goes too deep, as bytes, and what of it; nothing where it does not.
pub(super) fn too_deep(text: &str) -> Option<(usize, String)> {
    let mut scan = Scan::default();
    let mut rest = text.char_indices().peekable();
    let mut word = String::new();
    while let Some((at, letter)) = rest.next() {
        if letter.is_ascii_alphanumeric() || letter == '_' {
            word.push(letter);
            continue;
        }
        if matches!(std::mem::take(&mut word).as_str(), "if" | "has" | "like" | "in" | "is") {
            scan.operators += 1;
        }
        match letter {
            '"' => {
                // To the end of the string; an escaped quote is not the end.
                while let Some((_, inside)) = rest.next() {
                    match inside {
                        '\\' => drop(rest.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '/' if rest.peek().is_some_and(|(_, next)| *next == '/') => {
                while rest.next().is_some_and(|(_, inside)| inside != '\n') {}
            }
            '(' | '[' | '{' => scan.brackets += 1,
            ')' | ']' | '}' => scan.brackets = scan.brackets.saturating_sub(1),
            ';' => scan = Scan::default(),
            '&' | '|' | '+' | '-' | '*' | '.' | '=' | '<' | '>' | '!' => scan.operators += 1,
            _ => {}
        }
        if let Some(message) = scan.over() {
            return Some((at, message));
        }
    }
    None
}

#[derive(Default)]
struct Scan {
    brackets: usize,
    operators: usize,
}

impl Scan {
    fn over(&self) -> Option<String> {
        if self.brackets > BRACKETS_MAX {
            return Some(format!("brackets go deeper than {BRACKETS_MAX} levels"));
        }
        let over = self.operators > OPERATORS_MAX;
        over.then(|| format!("one policy has more than {OPERATORS_MAX} operators: write several"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(condition: &str) -> String {
        format!("@id(\"a\")\npermit (principal, action, resource)\nwhen {{ {condition} }};\n")
    }

    #[test]
    fn ordinary_policies_pass_and_many_of_them() {
        let one = policy("resource.a.b == \"((((\" && !(resource has c) // ((((\n || true");
        assert_eq!(too_deep(&one.repeat(1_000)), None);
        assert_eq!(too_deep(&policy(&format!("\"{}\\\"((\" == x", "(".repeat(100)))), None);
    }

    #[test]
    fn what_would_run_out_of_stack_is_told() {
        for condition in [
            "(".repeat(20_000),
            "[".repeat(33),
            "!".repeat(10_000),
            "-".repeat(10_000),
            "if a then b else ".repeat(5_000),
            format!("a{}", ".a".repeat(10_000)),
            format!("a{}", " && a".repeat(5_000)),
            format!("a{}", " has a".repeat(5_000)),
        ] {
            assert!(too_deep(&policy(&condition)).is_some(), "{condition:.20}");
        }
    }
}
