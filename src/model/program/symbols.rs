//! Symbols: sizes that a program computes from the size of its input.
//!
//! torch.export writes them as expressions such as `3*s0` or `(s1 - 1)//2 + 1`. For one image of a
//! known size they are numbers.

use std::collections::HashMap;

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
        const DEEPEST: usize = 64;
        if self.eat("-") {
            return self.factor()?.checked_neg();
        }
        if self.eat("(") {
            self.depth += 1;
            let value = (self.depth < DEEPEST).then(|| self.sum())??;
            return self.eat(")").then_some(value);
        }
        let rest = self.rest.trim_start();
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let (word, rest) = rest.split_at_checked(end)?;
        self.rest = rest;
        word.parse()
            .ok()
            .or_else(|| self.symbols.get(word).copied())
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
            ("s1", None),
            ("Mod(s77, 2)", None),
            ("s77//0", None),
            ("9223372036854775807*2", None),
            ("", None),
        ] {
            assert_eq!(evaluate(text, &symbols), value, "{text}");
        }
        assert_eq!(evaluate(&"(".repeat(100_000), &symbols), None);
    }
}
