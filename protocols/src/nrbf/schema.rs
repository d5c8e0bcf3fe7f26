//! Types that the schema of a data set names: readers make objects of them from the rows' XML.

use crate::contract::Limits;
use crate::soap::{Element, xml};

/// The attribute of a column that names its type.
const DATA_TYPE: &str = "DataType";
/// Elements on the way to a column.
const MAX_DEPTH: usize = 32;

/// The types of a schema's columns, where a text is one.
pub fn types(text: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    if memchr::memmem::find(text, DATA_TYPE.as_bytes()).is_some()
        && let Ok(text) = std::str::from_utf8(text)
        && let Ok(tree) = xml::parse(text.trim_start_matches('\u{feff}').trim_start(), &Limits::default())
    {
        gather(&tree.root, MAX_DEPTH, &mut found);
    }
    found
}

fn gather(element: &Element, depth: usize, found: &mut Vec<String>) {
    let of_column = element.attributes.iter().filter(|(name, _)| name.rsplit(':').next() == Some(DATA_TYPE));
    found.extend(of_column.map(|(_, value)| value.clone()));
    if depth > 0 {
        element.elements().for_each(|child| gather(child, depth - 1, found));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_columns_are_read_and_texts_about_them_are_not() {
        let schema = |value: &str| {
            format!(
                "<?xml version=\"1.0\" encoding=\"utf-16\"?><xs:schema xmlns:xs=\"x\" xmlns:msdata=\"y\"><xs:element name=\"t\">\
                 <xs:complexType><xs:sequence><xs:element name=\"c\" msdata:DataType = '{value}'/></xs:sequence></xs:complexType>\
                 </xs:element></xs:schema>"
            )
        };
        assert_eq!(types(schema("System.Guid, mscorlib").as_bytes()), ["System.Guid, mscorlib"]);
        assert_eq!(types(schema("&#83;ystem.Guid").as_bytes()), ["System.Guid"]);
        for text in ["DataType=\"System.Guid\"", "<a>DataType=\"System.Guid\"</a>", "<a xDataType=\"System.Guid\"/>", ""] {
            assert!(types(text.as_bytes()).is_empty(), "{text}");
        }
    }
}
