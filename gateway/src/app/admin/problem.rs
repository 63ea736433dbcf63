//! What the API said when it did not do as asked, for people: RFC 9457 problems.

use std::io::Write;

use http::{Response, StatusCode, header};
use serde_json::{Map, Value};

use super::api::is_json;
use super::flat::{Cell, Row, cell};
use super::screen::{Screen, harmless, width, wrapped};
use super::table::write_row;

/// An answer that is no success.
#[derive(Debug)]
pub struct AdminProblem {
    pub(super) status: StatusCode,
    pub(in crate::app) body: Vec<u8>,
    retry_after: Option<String>,
    /// What came back as JSON says; nothing where it was no problem.
    told: Option<Map<String, Value>>,
}

/// What is told in places of its own.
const KNOWN: [&str; 8] =
    ["type", "title", "status", "detail", "code", "reason", "errors", "instance"];

/// What stands where in an error of a list: where it is, then what it is.
const WHERE: [&str; 7] = ["line", "pointer", "field", "path", "parameter", "name", "id"];
const WHAT: [&str; 4] = ["reason", "detail", "message", "title"];

impl AdminProblem {
    pub(super) fn of(answer: Response<Vec<u8>>) -> Self {
        let (parts, body) = answer.into_parts();
        let field = |name| parts.headers.get(name).and_then(|it| it.to_str().ok());
        let told = field(header::CONTENT_TYPE)
            .filter(|media_type| is_json(media_type))
            .and_then(|_| serde_json::from_slice(&body).ok());
        let retry_after = field(header::RETRY_AFTER).map(str::to_owned);
        Self { status: parts.status, retry_after, told, body }
    }

    /// Whether the API said no, and asking again would not change that.
    pub(super) fn is_refusal(&self) -> bool {
        self.status.is_client_error()
    }

    /// Writes it.
    ///
    /// # Errors
    /// As `err` has them.
    pub fn write(&self, err: &mut dyn Write) -> std::io::Result<()> {
        self.write_on(Screen::of_errors(), err)
    }

    fn write_on(&self, screen: Screen, err: &mut dyn Write) -> std::io::Result<()> {
        let Some(told) = &self.told else {
            writeln!(
                err,
                "hubgate: the answer was {}, not what the API says: is `--url` right?",
                self.status
            )?;
            return Ok(());
        };
        let text = |name: &str| told.get(name).and_then(Value::as_str).map(harmless);
        let title = text("title").unwrap_or_else(|| self.status.to_string());
        let code = text("code").map_or_else(String::new, |code| format!(" {code}"));
        writeln!(err, "hubgate: {title} ({}{code})", self.status.as_u16())?;
        let mut row = Row::new();
        for name in ["detail", "reason"] {
            if let Some(text) = text(name) {
                row.push((name.to_owned(), plain(text)));
            }
        }
        let errors = told.get("errors").and_then(Value::as_array);
        let errors: Vec<String> = errors.into_iter().flatten().map(error).collect();
        if !errors.is_empty() {
            row.push(("errors".to_owned(), plain(errors.join("\n"))));
        }
        let others = told.iter().filter(|(name, value)| {
            !KNOWN.contains(&name.as_str()) && !value.is_object() && !value.is_array()
        });
        row.extend(others.map(|(name, value)| (harmless(name), cell(value))));
        if let Some(seconds) = &self.retry_after {
            row.push(("retry after".to_owned(), plain(format!("{} s", harmless(seconds)))));
        }
        row.extend(text("instance").map(|text| ("instance".to_owned(), plain(text))));
        write_row(&laid_out(row, screen), Screen::default(), err)
    }
}

/// Indented below the title, in lines the terminal has room for.
fn laid_out(row: Row, screen: Screen) -> Row {
    let names = row.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let room = screen.width.map(|width| width.saturating_sub(names + 4).max(20));
    let broken = |text: String| match room {
        Some(room) => text.lines().map(|line| wrapped(line, room)).collect::<Vec<_>>().join("\n"),
        None => text,
    };
    let laid_out = |(name, cell): (String, Cell)| (format!("  {name}"), plain(broken(cell.text)));
    row.into_iter().map(laid_out).collect()
}

fn plain(text: String) -> Cell {
    Cell { text, is_number: false }
}

/// One error of several: `line 2, Team::t1: there is no such parent`.
fn error(told: &Value) -> String {
    let Some(object) = told.as_object() else { return cell(told).text };
    let shown = |name: &str| {
        let value = object.get(name).filter(|value| !value.is_null())?;
        Some(cell(value).text)
    };
    let places = WHERE.iter().filter_map(|&name| {
        let text = shown(name)?;
        Some(if name == "line" { format!("line {text}") } else { text })
    });
    let places: Vec<String> = places.collect();
    match (WHAT.iter().find_map(|name| shown(name)), places.is_empty()) {
        (Some(what), true) => what,
        (Some(what), false) => format!("{}: {what}", places.join(", ")),
        (None, _) => harmless(&told.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(status: u16, media_type: &str, body: &str) -> String {
        let answer = Response::builder().status(status).header("content-type", media_type);
        let answer = answer.header("retry-after", "7").body(body.as_bytes().to_vec()).unwrap();
        let mut err = Vec::new();
        AdminProblem::of(answer).write_on(Screen::default(), &mut err).unwrap();
        String::from_utf8(err).unwrap()
    }

    #[test]
    fn a_problem_is_told_member_by_member() {
        let body = json!({
            "type": "urn:hubgate:problem:upload-refused", "title": "It cannot be taken", "status": 422,
            "detail": "correct it", "code": "upload_refused", "instance": "urn:uuid:1",
            "errors": [{"line": 2, "id": "Team::t1", "reason": "no such parent"},
                       {"line": null, "pointer": "/a", "detail": "too long"}, "plain", {"odd": 1}],
            "expected-offset": 12, "upload": {"id": 1}, "reason": "only\u{1b} admins",
        });
        assert_eq!(
            written(422, "application/problem+json", &body.to_string()),
            "hubgate: It cannot be taken (422 upload_refused)
  detail           correct it
  reason           only\u{fffd} admins
  errors           line 2, Team::t1: no such parent
                   /a: too long
                   plain
                   {\"odd\":1}
  expected-offset  12
  retry after      7 s
  instance         urn:uuid:1
"
        );
    }

    #[test]
    fn what_is_no_problem_is_somebody_else() {
        let told = written(404, "text/html", "<h1>404</h1>");
        assert!(told.contains("404 Not Found") && told.contains("`--url`"), "{told}");
    }
}
