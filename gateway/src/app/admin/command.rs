//! The commands: made at run time from the operations, so that each operation is one.

use clap::builder::{PossibleValuesParser, ValueParser};
use clap::{Arg, ArgAction, Command};

use super::api::{Api, BodySpec, Operation, Parameter, Place, is_json};
use super::help;
use super::shape::{Kind, Shape};

/// `admin` with everything below it.
pub(super) fn grown(command: Command, api: Option<&'static Api>) -> Command {
    let command = command
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .subcommand_value_name("COMMAND")
        .after_help(help::below_commands())
        .args(connection())
        .args(output())
        .subcommand(Command::new("operations").about("List everything the API can be asked to do"));
    let operations = api.into_iter().flat_map(|api| &api.operations);
    command.subcommands(operations.map(of))
}

fn of(operation: &'static Operation) -> Command {
    let mut command = Command::new(operation.command.as_str())
        .about(operation.summary.clone())
        .before_help(help::before(operation))
        .help_template(
            "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}",
        )
        .args(operation.positions().map(position))
        .args(operation.options().map(|it| option(it, "Parameters")));
    if operation.cursor().is_some() {
        let all = flag("all", "all").help("Follow the cursors: the whole list instead of a page");
        command = command.arg(all.help_heading("Parameters"));
    }
    if let Some(body) = &operation.body {
        command = command.args(body_arguments(body));
    }
    // The same as those of `admin`, hidden where they would be refused.
    let takes = operation.takes;
    command.args([if_match().hide(!takes.if_match), idempotency_key().hide(!takes.idempotency_key)])
}

fn position(parameter: &'static Parameter) -> Arg {
    let arg = Arg::new(parameter.argument.as_str()).value_name(parameter.option.as_str());
    checked(arg, &parameter.shape).help(help::of(parameter)).required(true).next_line_help(true)
}

fn option(parameter: &'static Parameter, heading: &'static str) -> Arg {
    let arg = Arg::new(parameter.argument.as_str())
        .long(parameter.option.as_str())
        .help(help::of(parameter))
        .help_heading(heading)
        .next_line_help(true);
    // The body's members may be in `--body` or `--set` as well: what is missing is told when it is put together.
    let arg = arg.required(parameter.required && parameter.place != Place::Body);
    let one = parameter.shape.items().filter(|items| items.is_scalar());
    match one {
        Some(items) => checked(arg, items).action(ArgAction::Append),
        None => checked(arg, &parameter.shape),
    }
}

/// With the name and the check of a value of this shape.
fn checked(arg: Arg, shape: &'static Shape) -> Arg {
    let named = arg.get_value_names().is_some();
    let name = |arg: Arg, name: &'static str| if named { arg } else { arg.value_name(name) };
    if !shape.choices.is_empty() && !shape.nullable {
        let choices = shape.choices.iter().map(String::as_str);
        let arg = arg.value_parser(PossibleValuesParser::new(choices)).hide_possible_values(true);
        return name(arg, "CHOICE");
    }
    match &shape.kind {
        Kind::Boolean => name(arg, "true|false").value_parser(parser(shape)),
        Kind::Integer | Kind::Number => {
            name(arg, "NUMBER").value_parser(parser(shape)).allow_negative_numbers(true)
        }
        Kind::Array(_) | Kind::Object(_) => name(arg, "JSON").value_parser(parser(shape)),
        Kind::String | Kind::Any => name(arg, "TEXT"),
    }
}

fn parser(shape: &'static Shape) -> ValueParser {
    ValueParser::new(move |text: &str| super::body::typed(text, shape).map(|_| text.to_owned()))
}

fn body_arguments(body: &'static BodySpec) -> Vec<Arg> {
    let named = is_json(&body.media_type).then_some(());
    let mut arguments: Vec<Arg> = body.members.iter().map(|it| option(it, "Body")).collect();
    let others = body.members.iter().map(|it| it.argument.as_str());
    let file = Arg::new("body")
        .long("body")
        .value_name("FILE")
        .help(help::file(body))
        .help_heading("Body")
        .next_line_help(true)
        // Otherwise it is told when it is put together, with the options that would do as well.
        .required(body.required && named.is_none())
        .conflicts_with_all(others);
    if named.is_some() {
        let set = Arg::new("set")
            .long("set")
            .value_name("KEY=VALUE")
            .help(help::set())
            .help_heading("Body")
            .next_line_help(true)
            .action(ArgAction::Append)
            .conflicts_with("body");
        arguments.push(set);
    }
    arguments.push(file);
    arguments
}

/// What every command has.
fn shared(name: &'static str, value: &'static str, told: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(told).help_heading("Connection").global(true)
}

fn if_match() -> Arg {
    shared("if-match", "ETAG", "Only if it is still as this ETag says")
}

fn idempotency_key() -> Arg {
    shared("idempotency-key", "KEY", "Sent again with the same key, done once [a new one]")
}

fn connection() -> Vec<Arg> {
    vec![
        shared("url", "URL", "Where the API is [HUBGATE_ADMIN_URL, http://127.0.0.1:9465]"),
        shared("organisation", "ID", "Whose things [HUBGATE_ORGANISATION]"),
        shared("key-file", "FILE", "Holds the API key, unless HUBGATE_API_KEY does"),
        shared("key", "KEY", "Refused: other people see it in the list of processes")
            .alias("api-key")
            .hide(true),
        shared("ca", "FILE", "Trust the authorities in this PEM file, and no others"),
        shared("timeout", "SECONDS", "How long nothing may come or go [30]")
            .value_parser(clap::value_parser!(u64).range(1..=86_400)),
        if_match(),
        idempotency_key(),
    ]
}

fn output() -> Vec<Arg> {
    let arg =
        |name, told: &'static str| flag(name, name).help(told).help_heading("Output").global(true);
    vec![
        arg("json", "The answer's body as it came"),
        arg("include", "The answer's status and fields before it"),
    ]
}

fn flag(id: &'static str, long: &'static str) -> Arg {
    Arg::new(id).long(long).action(ArgAction::SetTrue)
}
