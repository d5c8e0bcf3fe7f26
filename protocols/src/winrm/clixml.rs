//! CLIXML ([MS-PSRP] 2.2.5): a pipeline as the script text that runs, and texts of other objects.

use std::cell::Cell;
use std::collections::HashMap;

use super::transaction::Parameter;
use crate::contract::Limits;
use crate::soap::{Element, Node, xml};
use crate::veeam::value::is_secret;

/// How deep values inside values are written out.
const MAX_DEPTH: usize = 8;
/// Parameters kept of one pipeline.
const MAX_PARAMETERS: usize = 64;
/// Elements of a list or table that are written out.
const MAX_ITEMS: usize = 1_024;
/// How many times its own length a pipeline may become, and what an element costs besides its text: less than it takes itself.
const WRITTEN: usize = 8;
const VISIT: usize = 16;

/// A pipeline ([MS-PSRP] 2.2.2.10, 2.2.3.11).
#[derive(Debug, Default)]
pub struct Pipeline {
    /// Its statements as PowerShell would read them.
    pub text: String,
    /// Parameters of its commands.
    pub parameters: Vec<Parameter>,
    /// A cap of ours kept a part of it from being read.
    pub capped: bool,
    /// It does not end.
    pub truncated: bool,
    /// A document type or an entity.
    pub forbidden: bool,
}

/// Reads the data of a CREATE_PIPELINE.
pub fn pipeline(data: &str, limits: &Limits) -> Pipeline {
    let mut pipeline = Pipeline::default();
    let tree = match xml::parse(data, limits) {
        Ok(tree) => tree,
        Err(error) => {
            pipeline.truncated = true;
            pipeline.forbidden = error == xml::XmlError::Forbidden;
            return pipeline;
        }
    };
    (pipeline.capped, pipeline.truncated) = (tree.capped, tree.truncated);
    let objects = Objects::of(&tree.root, data.len());
    let mut statements: Vec<String> = Vec::new();
    // The object itself may be handed over instead of the message around it.
    let shell = objects.property(&tree.root, "PowerShell").unwrap_or(&tree.root);
    let mut room = limits.max_text;
    let mut add = |list: &Element, pipeline: &mut Pipeline| {
        let text = statement(&objects, list, &mut room, pipeline);
        if !text.is_empty() && statements.last() != Some(&text) {
            statements.push(text);
        }
    };
    // Where there are several statements they all stand in ExtraCmds, and the first in Cmds again.
    let extra = objects.property(shell, "ExtraCmds");
    if let Some(first) = objects.property(shell, "Cmds") {
        add(first, &mut pipeline);
    }
    for each in extra.into_iter().flat_map(|extra| objects.items(extra)) {
        if let Some(list) = objects.property(each, "Cmds").or(Some(each).filter(|each| objects.items(each).next().is_some())) {
            add(list, &mut pipeline);
        }
    }
    pipeline.text = statements.join("\n");
    pipeline.capped |= objects.left.get() == 0;
    pipeline
}

/// The elements joined by pipes.
fn statement(objects: &Objects<'_>, list: &Element, room: &mut usize, out: &mut Pipeline) -> String {
    let mut text = String::new();
    let commands: Vec<&Element> = objects.items(list).collect();
    let alone = commands.len() == 1;
    for command in commands {
        if !objects.visit(0) {
            break;
        }
        let Some(name) = objects.property(command, "Cmd").map(|name| unescape(&name.text())) else { continue };
        let is_script =
            objects.property(command, "IsScript").is_some_and(|value| value.text().trim().eq_ignore_ascii_case("true"));
        let mut one = if is_script && !alone && name.contains(['#', '\n', ';']) { format!("& {{\n{name}\n}}") } else { name };
        for argument in objects.property(command, "Args").into_iter().flat_map(|arguments| objects.items(arguments)) {
            if !objects.visit(0) {
                break;
            }
            let name = objects.property(argument, "N").filter(|name| name.name != "Nil").map(|name| unescape(&name.text()));
            let value = objects.property(argument, "V").filter(|value| value.name != "Nil");
            let mut written = String::new();
            if let Some(value) = value {
                write(objects, value, MAX_DEPTH, &mut written);
            }
            if let Some(name) = &name {
                one.push(' ');
                if !name.starts_with('-') {
                    one.push('-');
                }
                one.push_str(name.trim_end_matches(':'));
            }
            if !written.is_empty() {
                one.push(' ');
                one.push_str(&written);
            }
            if out.parameters.len() < MAX_PARAMETERS {
                let hidden = name.as_deref().is_some_and(is_secret);
                let value = (!hidden && !written.is_empty()).then_some(written);
                out.parameters.push(Parameter { name, value });
            }
        }
        if !text.is_empty() {
            text.push_str(" | ");
        }
        // Values that are referred to many times would be written as often.
        if one.len() > *room {
            out.capped = true;
            one.truncate(one.floor_char_boundary(*room));
        }
        *room -= one.len();
        text.push_str(&one);
        if *room == 0 {
            break;
        }
    }
    text
}

/// A value as PowerShell would write it. What it is may be of any kind; what matters is the text in it.
fn write(objects: &Objects<'_>, value: &Element, depth: usize, out: &mut String) {
    let value = objects.resolve(value);
    let begin = out.len();
    if objects.visit(0) {
        write_value(objects, value, depth, out);
        // What stands inside was counted by itself.
        if value.name != "Obj" {
            objects.visit(out.len() - begin);
        }
    }
}

fn write_value(objects: &Objects<'_>, value: &Element, depth: usize, out: &mut String) {
    match value.name.as_str() {
        // 2.2.5.1.20, 2.2.5.1.24: nothing, and what is encrypted.
        "Nil" => out.push_str("$null"),
        "SS" => out.push_str("***"),
        "SBK" => {
            out.push('{');
            out.push_str(&unescape(&value.text()));
            out.push('}');
        }
        "B" => out.push_str(if value.text().trim().eq_ignore_ascii_case("true") { "$true" } else { "$false" }),
        "I32" | "I64" | "U32" | "U64" | "I16" | "U16" | "By" | "SB" | "Db" | "Sg" | "D" => out.push_str(value.text().trim()),
        "Obj" => compound(objects, value, depth, out),
        _ => quote(&unescape(&value.text()), out),
    }
}

fn compound(objects: &Objects<'_>, value: &Element, depth: usize, out: &mut String) {
    let Some(depth) = depth.checked_sub(1) else { return };
    if let Some(table) = value.child("DCT") {
        out.push_str("@{");
        for entry in table.elements().filter(|entry| entry.name == "En").take(MAX_ITEMS) {
            for (number, side) in entry.elements().enumerate() {
                out.push_str(if number == 0 { "" } else { "=" });
                write(objects, side, depth, out);
            }
            out.push(';');
        }
        out.push('}');
        return;
    }
    if let Some(list) = ["LST", "IE", "QUE", "STK"].iter().find_map(|name| value.child(name)) {
        out.push_str("@(");
        for (number, item) in list.elements().take(MAX_ITEMS).enumerate() {
            out.push_str(if number == 0 { "" } else { "," });
            write(objects, item, depth, out);
        }
        out.push(')');
        return;
    }
    // A primitive with properties around it, or the text that stands for the object.
    let plain = value.elements().find(|inner| !matches!(inner.name.as_str(), "TN" | "TNRef" | "MS" | "Props" | "ToString"));
    match plain.or_else(|| value.child("ToString")) {
        Some(inner) if inner.name != "ToString" => write(objects, inner, depth, out),
        Some(text) => {
            let begin = out.len();
            quote(&unescape(&text.text()), out);
            objects.visit(out.len() - begin);
        }
        None => {}
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('\'');
    out.push_str(&text.replace('\'', "''"));
    out.push('\'');
}

/// All texts of an object: what a pipeline reads.
pub fn texts(data: &str, limits: &Limits) -> (String, bool) {
    let Ok(tree) = xml::parse(data, limits) else { return (String::new(), true) };
    let mut out = String::new();
    let mut stack = vec![&tree.root];
    while let Some(element) = stack.pop() {
        // Texts, and bytes in base64 (2.2.5.1.17); signs one by one (2.2.5.1.2) are a text together.
        let is_sign = element.name == "C";
        if is_sign {
            let sign = element.text().trim().parse().ok().and_then(char::from_u32);
            out.extend(sign);
        } else if matches!(element.name.as_str(), "S" | "SBK" | "XD" | "URI" | "BA" | "ToString") {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&unescape(&element.text()));
        }
        let from = stack.len();
        stack.extend(element.elements().filter(|inner| inner.name != "SS"));
        stack.get_mut(from..).unwrap_or_default().reverse();
    }
    (out, tree.truncated)
}

/// A number among the extended properties of an object.
pub fn number(data: &str, name: &str, limits: &Limits) -> Option<i64> {
    let tree = xml::parse(data, limits).ok()?;
    Objects::of(&tree.root, 0).property(&tree.root, name)?.text().trim().parse().ok()
}

/// A text among them.
pub fn text(data: &str, name: &str, limits: &Limits) -> Option<String> {
    let tree = xml::parse(data, limits).ok()?;
    let text = unescape(&Objects::of(&tree.root, 0).property(&tree.root, name)?.text());
    Some(text.chars().take(32).collect())
}

/// Objects by the numbers that references name ([MS-PSRP] 2.2.5.2.2).
struct Objects<'a> {
    known: HashMap<&'a str, &'a Element>,
    /// What may still be written: references to references would multiply it without end.
    left: Cell<usize>,
}

impl<'a> Objects<'a> {
    /// `len`: bytes of the whole.
    fn of(root: &'a Element, len: usize) -> Self {
        let mut known = HashMap::new();
        let mut stack = vec![root];
        while let Some(element) = stack.pop() {
            if element.name == "Obj"
                && let Some(number) = element.attribute("RefId")
            {
                known.entry(number).or_insert(element);
            }
            stack.extend(element.elements());
        }
        Self { known, left: Cell::new(len.saturating_mul(WRITTEN)) }
    }

    /// Something is visited, and so many bytes of it written; whether that may go on.
    fn visit(&self, bytes: usize) -> bool {
        self.left.set(self.left.get().saturating_sub(bytes.saturating_add(VISIT)));
        self.left.get() > 0
    }

    fn resolve(&self, element: &'a Element) -> &'a Element {
        if element.name != "Ref" {
            return element;
        }
        element.attribute("RefId").and_then(|number| self.known.get(number)).copied().unwrap_or(element)
    }

    /// A property of an object, extended or adapted ([MS-PSRP] 2.2.5.2.8, 2.2.5.2.9).
    fn property(&self, object: &'a Element, name: &str) -> Option<&'a Element> {
        let sets = object.elements().filter(|set| matches!(set.name.as_str(), "MS" | "Props"));
        let found = sets.flat_map(Element::elements).find(|property| property.attribute("N") == Some(name))?;
        Some(self.resolve(found))
    }

    /// The items of a list.
    fn items(&self, object: &'a Element) -> impl Iterator<Item = &'a Element> {
        let list = ["LST", "IE", "QUE", "STK"].iter().find_map(|name| object.child(name));
        list.into_iter().flat_map(Element::elements).map(|item| self.resolve(item))
    }
}

/// `_xHHHH_` stands for a unit of UTF-16 ([MS-PSRP] 2.2.5.3.2).
pub fn unescape(text: &str) -> String {
    if !text.contains("_x") && !text.contains("_X") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut units: Vec<u16> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('_') {
        let (before, behind) = rest.split_at_checked(at).unwrap_or((rest, ""));
        if !before.is_empty() {
            flush(&mut units, &mut out);
            out.push_str(before);
        }
        match escaped(behind) {
            Some(unit) => {
                units.push(unit);
                rest = behind.get(7..).unwrap_or_default();
            }
            None => {
                flush(&mut units, &mut out);
                out.push('_');
                rest = behind.get(1..).unwrap_or_default();
            }
        }
    }
    flush(&mut units, &mut out);
    out.push_str(rest);
    out
}

fn flush(units: &mut Vec<u16>, out: &mut String) {
    if !units.is_empty() {
        out.push_str(&String::from_utf16_lossy(units));
        units.clear();
    }
}

fn escaped(text: &str) -> Option<u16> {
    let digits = text.get(..7)?.strip_prefix("_x").or_else(|| text.get(..7)?.strip_prefix("_X"))?.strip_suffix('_')?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

/// The texts of an element and of all inside it.
pub fn whole_text(element: &Element) -> String {
    let mut out = String::new();
    let mut stack: Vec<&Node> = element.children.iter().rev().collect();
    while let Some(node) = stack.pop() {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Element(inner) => stack.extend(inner.children.iter().rev()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pipeline whose command has this as its only argument's value.
    fn of(value: &str, objects: &str) -> Pipeline {
        let data = format!(
            "<Obj RefId=\"a\"><MS><Obj N=\"PowerShell\" RefId=\"b\"><MS><Obj N=\"Cmds\" RefId=\"c\"><LST><Obj RefId=\"d\"><MS>\
             <S N=\"Cmd\">Get-Item</S><B N=\"IsScript\">false</B><Obj N=\"Args\" RefId=\"e\"><LST><Obj RefId=\"f\"><MS>\
             <Nil N=\"N\"/>{value}</MS></Obj></LST></Obj></MS></Obj></LST></Obj></MS></Obj>{objects}</MS></Obj>"
        );
        pipeline(&data, &Limits::default())
    }

    #[test]
    fn references_are_written_out_within_bounds() {
        let plain =
            of("<Obj N=\"V\" RefId=\"0\"><LST><S>x</S><Ref RefId=\"1\"/></LST></Obj>", "<Obj RefId=\"1\"><I32>7</I32></Obj>");
        assert_eq!((plain.text.as_str(), plain.capped), ("Get-Item @('x',7)", false));
        // Each of seven lists names the next one a hundred times, and the last one a text.
        let list = |number: usize| {
            format!("<Obj RefId=\"{number}\"><LST>{}</LST></Obj>", format!("<Ref RefId=\"{}\"/>", number + 1).repeat(100))
        };
        let lists: String = (1..8).map(list).collect();
        let many = of("<Ref N=\"V\" RefId=\"1\"/>", &format!("{lists}<Obj RefId=\"8\"><S>x</S></Obj>"));
        assert!(many.capped && many.text.len() < 200_000, "{}", many.text.len());
        // A long text, a thousand times.
        let long = format!("<Obj RefId=\"2\"><ToString>{}</ToString></Obj>", "y".repeat(50_000));
        let much = of(
            "<Ref N=\"V\" RefId=\"1\"/>",
            &format!("<Obj RefId=\"1\"><LST>{}</LST></Obj>{long}", "<Ref RefId=\"2\"/>".repeat(1_000)),
        );
        assert!(much.capped && much.text.len() < 1_000_000, "{}", much.text.len());
    }
}
