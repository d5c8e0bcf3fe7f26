//! Definitions of tasks ([MS-TSCH] 2.5): what they run, as whom, and whether anybody sees it.

use backstop_types::{Fields, Value};

use super::text::{Text, head};
use crate::contract::Limits;
use crate::soap::{Element, xml};

/// Actions that are kept; a server takes 32 ([MS-TSCH] 2.5.7).
const MAX_ACTIONS: usize = 32;
/// Bytes of a name or an account that are kept.
const MAX_NAME: usize = 1_024;
/// Bytes of an action's text that a record shows.
const MAX_SHOWN: usize = 4_096;

/// What a definition says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// What is done, in order.
    pub actions: Vec<Action>,
    /// Accounts that it runs as: users, groups.
    pub principals: Vec<String>,
    /// It runs with all the rights the account has.
    pub highest: bool,
    /// It is not shown.
    pub hidden: bool,
    /// What starts it: names of the triggers' elements.
    pub triggers: Vec<String>,
    /// Something is missing.
    pub truncated: bool,
}

/// An action ([MS-TSCH] 2.5.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `Exec`.
    Exec {
        /// The program.
        command: String,
        /// Its arguments.
        arguments: String,
        /// Where it runs.
        directory: String,
    },
    /// `ComHandler`.
    ComHandler {
        /// The class.
        class: String,
        /// What it is given.
        data: String,
    },
    /// `SendEmail`, `ShowMessage`.
    Other(String),
}

impl Action {
    /// Program and arguments as one line.
    #[must_use]
    pub fn command_line(&self) -> Option<String> {
        match self {
            Self::Exec { command, arguments, .. } if arguments.is_empty() => Some(command.clone()),
            Self::Exec { command, arguments, .. } => Some(format!("{command} {arguments}")),
            Self::ComHandler { data, .. } if !data.is_empty() => Some(data.clone()),
            _ => None,
        }
    }

    fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        let mut set = |name: &'static str, value: &str| {
            if !value.is_empty() {
                fields.set(name, head(value, MAX_SHOWN).to_owned());
            }
        };
        match self {
            Self::Exec { command, arguments, directory } => {
                set("command", command);
                set("arguments", arguments);
                set("directory", directory);
            }
            Self::ComHandler { class, data } => {
                set("class", class);
                set("data", data);
            }
            Self::Other(name) => set("action", name),
        }
        fields
    }
}

/// Reads a definition. `None`: it is no XML, or asks for what a scheduler refuses (a document type).
#[must_use]
pub fn read(text: &Text) -> Option<Definition> {
    let body = text.text.trim_start_matches('\u{feff}');
    let usual = Limits::default();
    let limits = Limits { max_message: body.len(), max_text: usual.max_text, max_nodes: usual.max_nodes, ..usual };
    let tree = xml::parse_wanted(body, &limits, WANTED).ok()?;
    if tree.root.name != "Task" {
        return None;
    }
    let mut definition = Definition { truncated: text.truncated || tree.truncated, ..Definition::default() };
    for part in tree.root.elements() {
        match part.name.as_str() {
            "Actions" => {
                let room = MAX_ACTIONS.saturating_sub(definition.actions.len());
                definition.truncated |= part.elements().count() > room;
                definition.actions.extend(part.elements().take(room).map(action));
            }
            "Principals" => part.elements().for_each(|principal| read_principal(principal, &mut definition)),
            "Settings" => definition.hidden |= part.child("Hidden").is_some_and(truth),
            "Triggers" => {
                let room = MAX_ACTIONS.saturating_sub(definition.triggers.len());
                definition.triggers.extend(part.elements().take(room).map(|one| head(&one.name, MAX_NAME).to_owned()));
            }
            _ => {}
        }
    }
    Some(definition)
}

/// What is read of a definition: a description of any length takes no room from it.
const WANTED: xml::Wanted = xml::Wanted {
    element: |around, name| match around {
        [] => true,
        [_] => matches!(name, "Actions" | "Principals" | "Settings" | "Triggers"),
        [_, part, ..] => match part.name.as_str() {
            "Settings" => name == "Hidden",
            "Triggers" => around.len() == 2,
            _ => true,
        },
    },
    attribute: |_| false,
};

fn action(element: &Element) -> Action {
    let text = |name: &str| element.child(name).map(|child| child.text().trim().to_owned()).unwrap_or_default();
    match element.name.as_str() {
        "Exec" => Action::Exec { command: text("Command"), arguments: text("Arguments"), directory: text("WorkingDirectory") },
        "ComHandler" => Action::ComHandler { class: text("ClassId"), data: text("Data") },
        other => Action::Other(head(other, MAX_NAME).to_owned()),
    }
}

fn read_principal(principal: &Element, definition: &mut Definition) {
    for name in ["UserId", "GroupId"] {
        if let Some(account) = principal.child(name) {
            if definition.principals.len() < MAX_ACTIONS {
                definition.principals.push(head(account.text().trim(), MAX_NAME).to_owned());
            } else {
                definition.truncated = true;
            }
        }
    }
    definition.highest |= principal.child("RunLevel").is_some_and(|level| level.text().trim() == "HighestAvailable");
}

/// `xs:boolean`.
fn truth(element: &Element) -> bool {
    matches!(element.text().trim(), "true" | "1")
}

impl Definition {
    /// For evidence.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        fields.set("actions", self.actions.iter().map(|action| Value::from(action.fields())).collect::<Vec<_>>());
        if !self.principals.is_empty() {
            fields.set("principals", self.principals.clone());
        }
        if !self.triggers.is_empty() {
            fields.set("triggers", self.triggers.clone());
        }
        for (name, set) in [("highest", self.highest), ("hidden", self.hidden), ("truncated", self.truncated)] {
            if set {
                fields.set(name, true);
            }
        }
        fields
    }
}
