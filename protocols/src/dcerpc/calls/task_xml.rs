//! What the definition of a task says ([MS-TSCH] 2.5): its actions, as whom they run, and how visible it is.

use backstop_types::{Fields, Value};

use super::text::Text;
use crate::contract::Limits;
use crate::soap::{Element, xml};

/// Actions that are kept; the schema allows 32.
const MAX_ACTIONS: usize = 32;
/// Bytes shown of a value.
const MAX_VALUE: usize = 1_024;

/// A definition, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// What is run.
    pub actions: Vec<Action>,
    /// As whom: a name, a group or a SID.
    pub principal: Option<String>,
    /// `HighestAvailable` or `LeastPrivilege`.
    pub run_level: Option<String>,
    /// It is not shown.
    pub hidden: bool,
    /// Names of the triggers: `CalendarTrigger`, `BootTrigger`, …
    pub triggers: Vec<String>,
    /// Something of it was not read.
    pub truncated: bool,
    /// It is no XML, or none that a scheduler would take.
    pub unreadable: bool,
}

/// An action ([MS-TSCH] 2.5.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A program.
    Exec {
        /// Which.
        command: String,
        /// With what.
        arguments: String,
        /// Where.
        directory: String,
    },
    /// An object, by its class.
    Com {
        /// The class.
        class: String,
        /// What it is given.
        data: String,
    },
}

impl Action {
    /// As one line.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            Self::Exec { command, arguments, .. } => {
                let command = command.trim();
                let quoted = command.starts_with('"') || !command.contains(' ') || arguments.is_empty();
                let command = if quoted { command.to_owned() } else { format!("\"{command}\"") };
                if arguments.is_empty() { command } else { format!("{command} {arguments}") }
            }
            Self::Com { data, .. } => data.clone(),
        }
    }

    fn fields(&self) -> Fields {
        let shown = |text: &str| super::text::head(text, MAX_VALUE).to_owned();
        let mut fields = Fields::new();
        match self {
            Self::Exec { command, arguments, directory } => {
                fields.set("command", shown(command));
                for (name, text) in [("arguments", arguments), ("directory", directory)] {
                    if !text.is_empty() {
                        fields.set(name, shown(text));
                    }
                }
            }
            Self::Com { class, data } => {
                fields.set("class", shown(class));
                if !data.is_empty() {
                    fields.set("data", shown(data));
                }
            }
        }
        fields
    }
}

/// Reads a definition.
#[must_use]
pub fn read(text: &Text) -> Definition {
    let mut out = Definition { truncated: text.truncated, ..Definition::default() };
    // The text was UTF-16 on the wire, whatever its declaration says; a mark of the order of its bytes may stand before it.
    let Ok(tree) = xml::parse(text.text.trim_start_matches('\u{feff}').trim_start(), &Limits::default()) else {
        out.unreadable = true;
        return out;
    };
    out.truncated |= tree.truncated;
    let root = &tree.root;
    // Doubled sections are not valid; all of them are read, since a decoy may stand first.
    for section in root.elements() {
        match section.name.as_str() {
            "Actions" => actions(&mut out, section),
            "Principals" => {
                for principal in section.elements() {
                    let of = |name| principal.child(name).map(|value| value.text().trim().to_owned());
                    out.principal = out.principal.take().or_else(|| of("UserId")).or_else(|| of("GroupId"));
                    out.run_level = out.run_level.take().or_else(|| of("RunLevel"));
                }
            }
            "Settings" => {
                out.hidden |= section.child("Hidden").is_some_and(|hidden| matches!(hidden.text().trim(), "true" | "1"))
            }
            "Triggers" => out.triggers.extend(section.elements().take(MAX_ACTIONS).map(|trigger| trigger.name.clone())),
            _ => {}
        }
    }
    out
}

fn actions(out: &mut Definition, section: &Element) {
    for action in section.elements() {
        let of = |name| action.child(name).map(Element::text).unwrap_or_default();
        let one = match action.name.as_str() {
            "Exec" => Action::Exec { command: of("Command"), arguments: of("Arguments"), directory: of("WorkingDirectory") },
            "ComHandler" => Action::Com { class: of("ClassId"), data: of("Data") },
            _ => continue,
        };
        if out.actions.len() >= MAX_ACTIONS {
            out.truncated = true;
            return;
        }
        out.actions.push(one);
    }
}

impl Definition {
    /// For evidence.
    pub fn add_to(&self, fields: &mut Fields) {
        if !self.actions.is_empty() {
            fields.set("actions", self.actions.iter().map(|action| Value::from(action.fields())).collect::<Vec<_>>());
        }
        let shown = |text: &String| super::text::head(text, MAX_VALUE).to_owned();
        fields.set_some("principal", self.principal.as_ref().map(shown));
        fields.set_some("run_level", self.run_level.as_ref().map(shown));
        if !self.triggers.is_empty() {
            fields.set("triggers", self.triggers.iter().map(|one| Value::from(shown(one))).collect::<Vec<_>>());
        }
        for (name, holds) in [("hidden", self.hidden), ("definition_truncated", self.truncated), ("unreadable", self.unreadable)]
        {
            if holds {
                fields.set(name, true);
            }
        }
    }
}
