//! BPF filters on frames of files: compiled by libpcap against a dead handle, one program a link type.

use pcap::{BpfProgram, Capture, Linktype};

use super::SourceError;

/// A filter expression and its programs.
pub struct Filter {
    expression: String,
    programs: Vec<(i32, BpfProgram)>,
}

impl Filter {
    /// Checks the expression against Ethernet.
    ///
    /// # Errors
    /// It does not compile.
    pub fn new(expression: &str) -> Result<Self, SourceError> {
        let mut filter = Self { expression: expression.to_owned(), programs: Vec::new() };
        let ethernet = filter.compile(1)?;
        filter.programs.push((1, ethernet));
        Ok(filter)
    }

    fn compile(&self, link_type: i32) -> Result<BpfProgram, SourceError> {
        let failed = |error: pcap::Error| SourceError::Filter { expression: self.expression.clone(), message: error.to_string() };
        let dead = Capture::dead(Linktype(link_type)).map_err(failed)?;
        for expression in with_vlan(&self.expression) {
            if let Ok(program) = dead.compile(&expression, true) {
                return Ok(program);
            }
        }
        dead.compile(&self.expression, true).map_err(failed)
    }

    /// Whether a frame passes. A link type on which the expression makes no sense passes nothing.
    ///
    /// # Errors
    /// The expression does not compile for this link type.
    pub fn passes(&mut self, link_type: i32, bytes: &[u8]) -> Result<bool, SourceError> {
        if let Some((_, program)) = self.programs.iter().find(|(known, _)| *known == link_type) {
            return Ok(program.filter(bytes));
        }
        let program = self.compile(link_type)?;
        let passes = program.filter(bytes);
        self.programs.push((link_type, program));
        Ok(passes)
    }
}

/// The forms to try, best first: a plain `tcp port 445` does not look behind VLAN tags.
pub fn with_vlan(expression: &str) -> [String; 2] {
    [format!("({expression}) or (vlan and ({expression}))"), expression.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_expression_is_named() {
        let error = Filter::new("tcp prot 445").err().expect("it does not compile");
        assert!(error.to_string().contains("tcp prot 445"));
    }

    #[test]
    fn the_expression_also_looks_behind_a_vlan_tag() {
        let mut filter = Filter::new("tcp port 445").expect("compiles");
        let mut plain = vec![0; 12];
        plain.extend([8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x01, 0xbd, 0xc0, 0, 0, 0, 0, 0]);
        plain.resize(60, 0);
        let mut tagged = plain.clone();
        tagged.splice(12..12, [0x81, 0, 0, 5]);
        assert!(filter.passes(1, &plain).expect("compiles"));
        assert!(filter.passes(1, &tagged).expect("compiles"));
        plain[22 + 12] = 0x09;
        assert!(!filter.passes(1, &plain).expect("compiles"));
    }
}
