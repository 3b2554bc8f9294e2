//! Symbols: sizes that a program computes from the size of its input.
//!
//! torch.export writes them as expressions, older versions as `3*s0 + 1`, newer ones as
//! `Add(Mul(Integer(3), Symbol('s0', integer=True)), Integer(1))`. For one image of a known size they
//! are numbers.

use std::collections::HashMap;

/// How deep expressions may be nested; a hostile one cannot exhaust the stack.
const DEEPEST: usize = 64;

/// The value of an expression of whole numbers, names, `+ - * //` and parentheses.
pub(super) fn evaluate(expression: &str, symbols: &HashMap<String, i64>) -> Option<i64> {
    let mut parser = Parser {
        rest: expression,
        symbols,
        depth: 0,
    };
    let value = parser.sum()?;
    parser.rest.trim().is_empty().then_some(value)
}

/// The name of an expression that is nothing but a symbol.
pub(super) fn symbol(expression: &str) -> Option<&str> {
    let inner = match expression.strip_prefix("Symbol('") {
        Some(rest) => rest.split_once('\'')?.0,
        None => expression,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!inner.is_empty() && inner.chars().all(plain)).then_some(inner)
}

struct Parser<'a> {
    rest: &'a str,
    symbols: &'a HashMap<String, i64>,
    depth: usize,
}

impl Parser<'_> {
    fn sum(&mut self) -> Option<i64> {
        let mut value = self.product()?;
        loop {
            if self.eat("+") {
                value = value.checked_add(self.product()?)?;
            } else if self.eat("-") {
                value = value.checked_sub(self.product()?)?;
            } else {
                return Some(value);
            }
        }
    }

    fn product(&mut self) -> Option<i64> {
        let mut value = self.factor()?;
        loop {
            if self.eat("//") {
                let divisor = self.factor()?;
                value = (divisor > 0).then(|| value.div_euclid(divisor))?;
            } else if self.eat("*") {
                value = value.checked_mul(self.factor()?)?;
            } else {
                return Some(value);
            }
        }
    }

    fn factor(&mut self) -> Option<i64> {
        let mut negative = false;
        while self.eat("-") {
            negative = !negative;
        }
        let value = self.positive()?;
        if negative {
            value.checked_neg()
        } else {
            Some(value)
        }
    }

    fn positive(&mut self) -> Option<i64> {
        if self.eat("(") {
            self.depth += 1;
            let value = (self.depth < DEEPEST).then(|| self.sum())??;
            self.depth -= 1;
            return self.eat(")").then_some(value);
        }
        let rest = self.rest.trim_start();
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let (word, rest) = rest.split_at_checked(end)?;
        self.rest = rest;
        if self.eat("(") {
            return self.function(word);
        }
        word.parse()
            .ok()
            .or_else(|| self.symbols.get(word).copied())
    }

    /// What follows `Add(` and the like.
    fn function(&mut self, name: &str) -> Option<i64> {
        if name == "Symbol" {
            let (own, assumptions) = self.rest.strip_prefix('\'')?.split_once('\'')?;
            self.rest = assumptions.split_once(')')?.1;
            return self.symbols.get(own).copied();
        }
        self.depth += 1;
        let mut arguments = vec![(self.depth < DEEPEST).then(|| self.sum())??];
        while self.eat(",") {
            arguments.push(self.sum()?);
        }
        self.depth -= 1;
        if !self.eat(")") {
            return None;
        }
        match (name, arguments.as_slice()) {
            ("Integer", &[number]) => Some(number),
            ("Add", all) => all
                .iter()
                .try_fold(0_i64, |sum, item| sum.checked_add(*item)),
            ("Mul", all) => all
                .iter()
                .try_fold(1_i64, |product, item| product.checked_mul(*item)),
            ("FloorDiv" | "CleanDiv", &[a, b]) => (b > 0).then(|| a.div_euclid(b)),
            ("Mod" | "PythonMod", &[a, b]) => (b > 0).then(|| a.rem_euclid(b)),
            ("Pow" | "PowByNatural", &[base, power]) => {
                base.checked_pow(u32::try_from(power).ok()?)
            }
            ("Max", all) => all.iter().copied().max(),
            ("Min", all) => all.iter().copied().min(),
            _ => None,
        }
    }

    fn eat(&mut self, token: &str) -> bool {
        match self.rest.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_sizes_are_computed() {
        let symbols = HashMap::from([("s0".to_owned(), 1), ("s77".to_owned(), 224)]);
        for (text, value) in [
            ("3*s0", Some(3)),
            ("(s77 - 1)//2 + 1", Some(112)),
            ("s77//16*(s77//16) + 1", Some(197)),
            ("-s0 + 2", Some(1)),
            ("7", Some(7)),
            ("Symbol('s77', positive=True, integer=True)", Some(224)),
            (
                "Add(Mul(Integer(3), FloorDiv(Add(Symbol('s77', integer=True), Integer(-1)), Integer(2))), Integer(1))",
                Some(334),
            ),
            ("Symbol('other')", None),
            ("Unknown(Integer(1))", None),
            ("s1", None),
            ("Mod(s77, 3)", Some(2)),
            ("s77//0", None),
            ("9223372036854775807*2", None),
            ("", None),
        ] {
            assert_eq!(evaluate(text, &symbols), value, "{text}");
        }
        assert_eq!(evaluate(&"(".repeat(100_000), &symbols), None);
        assert_eq!(evaluate(&"-".repeat(100_001), &symbols), None);
        assert_eq!(evaluate(&"Add(".repeat(100_000), &symbols), None);
        assert_eq!(symbol("Symbol('s77', positive=True)"), Some("s77"));
        assert_eq!((symbol("s0"), symbol("2*s0")), (Some("s0"), None));
    }
}
