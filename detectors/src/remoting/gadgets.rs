//! The list of types that public work on deserialisation names: data, see its head for the form.

use std::collections::HashMap;
use std::sync::LazyLock;

use backstop_protocols::nrbf::plain;

const LIST: &str = include_str!("../../data/gadgets.tsv");

/// When a type is a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Wherever an object of it lies.
    Type,
    /// As the first object of a remoting request that makes no call.
    Root,
    /// Where a delegate or a method object leads to it.
    Target,
}

static TYPES: LazyLock<HashMap<&str, Sign>> = LazyLock::new(|| {
    let line = |line: &'static str| {
        let mut fields = line.split('\t');
        let sign = match fields.next()? {
            "type" => Sign::Type,
            "root" => Sign::Root,
            "target" => Sign::Target,
            _ => return None,
        };
        Some((fields.next()?, sign))
    };
    LIST.lines().filter(|line| !line.starts_with('#')).filter_map(line).collect()
});

/// What a type is a sign of, by its name without assembly and generic arguments.
fn sign(name: &str) -> Option<Sign> {
    TYPES.get(name).copied()
}

/// The listed type that a name on the wire is, or has among its generic arguments.
pub fn of_type<'a>(name: &'a str, more: &[String]) -> Option<(&'a str, Sign)> {
    name.split(['[', ']', ',', '&', '*']).map(str::trim).filter(|part| !part.is_empty()).find_map(|part| {
        let known = sign(part).or_else(|| more.iter().any(|known| known == part).then_some(Sign::Type))?;
        // An argument of a collection is no first object.
        (known == Sign::Type || part == plain(name)).then_some((part, known))
    })
}

/// Whether a delegate that leads to this type is a sign.
pub fn is_target(name: &str) -> bool {
    matches!(sign(plain(name)), Some(Sign::Target | Sign::Type))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_list_is_whole_and_names_its_source() {
        let lines: Vec<&str> = LIST.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(lines.len() >= 30);
        for line in &lines {
            let fields: Vec<&str> = line.split('\t').collect();
            assert!(
                matches!(fields[..], ["type" | "root" | "target", name, source] if name.contains('.') && source.len() > 10),
                "{line}"
            );
        }
        assert_eq!(TYPES.len(), lines.len(), "a name stands twice");
    }

    #[test]
    fn names_are_compared_whole() {
        let none: &[String] = &[];
        for name in [
            "System.Windows.Data.ObjectDataProvider",
            "System.Windows.Data.ObjectDataProvider, PresentationFramework, Version=4.0.0.0",
            "System.Collections.Generic.List`1[[System.Windows.Data.ObjectDataProvider, PresentationFramework]]",
            "System.Collections.Generic.ComparisonComparer`1[[System.String, mscorlib]]",
            "System.Windows.Data.ObjectDataProvider[]",
        ] {
            assert_eq!(of_type(name, none).map(|(_, sign)| sign), Some(Sign::Type), "{name}");
        }
        for name in [
            "System.Windows.Data.ObjectDataProviderInfo",
            "Lab.System.Windows.Data.ObjectDataProvider",
            "system.windows.data.objectdataprovider",
            "System.Collections.Generic.List`1[[System.Data.DataSet, System.Data]]",
            "",
        ] {
            assert_eq!(of_type(name, none), None, "{name}");
        }
        assert_eq!(of_type("Lab.Own", &["Lab.Own".to_owned()]), Some(("Lab.Own", Sign::Type)));
        assert!(is_target("System.Diagnostics.Process, System") && !is_target("System.Diagnostics.ProcessModule"));
    }
}
