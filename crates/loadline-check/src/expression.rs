//! Expressions of workflows: what stands between `${{` and `}}`
//! (<https://docs.github.com/actions/reference/workflows-and-actions/expressions>).

/// How deep expressions may lie in one another.
const MAX_DEPTH: usize = 32;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expression {
    /// `'text'`
    Text(String),
    /// `true`, `null`, `1.5`: as written.
    Plain(String),
    /// `matrix.os`, `github['ref']`: the context and the steps into it.
    Path(String, Vec<Step>),
    /// `fromJSON(…)`, its name in lower case.
    Call(String, Vec<Self>, Vec<Step>),
    /// `!a`
    Not(Box<Self>),
    /// `a || b`, `a == b`, …
    Binary(Operator, Box<Self>, Box<Self>),
}

/// A step into a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// `.name`, `['name']`
    Name(String),
    /// `[0]`
    Index(usize),
    /// `.*`, or an index that is an expression itself.
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    /// `<`, `<=`, `>`, `>=`
    Order,
}

/// Reads an expression; nothing where it is none.
pub(crate) fn parse(text: &str) -> Option<Expression> {
    let mut parser = Parser { rest: text, depth: 0 };
    let expression = parser.either()?;
    parser.rest.trim_start().is_empty().then_some(expression)
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
}

impl Parser<'_> {
    fn eat(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn either(&mut self) -> Option<Expression> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let mut left = self.both()?;
        while self.eat("||") {
            left = Expression::Binary(Operator::Or, Box::new(left), Box::new(self.both()?));
        }
        self.depth -= 1;
        Some(left)
    }

    fn both(&mut self) -> Option<Expression> {
        let mut left = self.comparison()?;
        while self.eat("&&") {
            left = Expression::Binary(Operator::And, Box::new(left), Box::new(self.comparison()?));
        }
        Some(left)
    }

    fn comparison(&mut self) -> Option<Expression> {
        let mut left = self.unary()?;
        loop {
            let operator = if self.eat("==") {
                Operator::Equal
            } else if self.eat("!=") {
                Operator::Unequal
            } else if self.eat("<=") || self.eat(">=") || self.eat("<") || self.eat(">") {
                Operator::Order
            } else {
                return Some(left);
            };
            left = Expression::Binary(operator, Box::new(left), Box::new(self.unary()?));
        }
    }

    fn unary(&mut self) -> Option<Expression> {
        let mut negations = 0;
        while self.eat("!") {
            negations += 1;
        }
        let mut expression = self.primary()?;
        // Twice makes true or false of a value; more is one of the two.
        let times = if negations == 0 { 0 } else { 2 - negations % 2 };
        for _ in 0..times {
            expression = Expression::Not(Box::new(expression));
        }
        Some(expression)
    }

    fn primary(&mut self) -> Option<Expression> {
        if self.eat("(") {
            let inner = self.either()?;
            return self.eat(")").then_some(inner);
        }
        if self.rest.starts_with('\'') {
            return self.text().map(Expression::Text);
        }
        let word = self.word();
        if word.is_empty() {
            return None;
        }
        let is_number = word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+'));
        if is_number || matches!(word.as_str(), "true" | "false" | "null") {
            if !self.rest.starts_with('.') {
                return Some(Expression::Plain(word));
            }
            // `1.5`: the fraction is no step.
            self.rest = &self.rest[1..];
            let fraction = self.word();
            return Some(Expression::Plain(format!("{word}.{fraction}")));
        }
        if self.eat("(") {
            let mut arguments = Vec::new();
            while !self.eat(")") {
                if !arguments.is_empty() && !self.eat(",") {
                    return None;
                }
                arguments.push(self.either()?);
            }
            let steps = self.steps()?;
            return Some(Expression::Call(word.to_ascii_lowercase(), arguments, steps));
        }
        let steps = self.steps()?;
        Some(Expression::Path(word, steps))
    }

    fn steps(&mut self) -> Option<Vec<Step>> {
        let mut steps = Vec::new();
        loop {
            if self.eat("[") {
                let step = match self.either()? {
                    Expression::Text(name) => Step::Name(name),
                    Expression::Plain(number) => number.parse().map_or(Step::Any, Step::Index),
                    _ => Step::Any,
                };
                if !self.eat("]") {
                    return None;
                }
                steps.push(step);
            } else if self.eat(".") {
                if self.eat("*") {
                    steps.push(Step::Any);
                    continue;
                }
                let name = self.word();
                if name.is_empty() {
                    return None;
                }
                steps.push(Step::Name(name));
            } else {
                return Some(steps);
            }
        }
    }

    fn word(&mut self) -> String {
        self.rest = self.rest.trim_start();
        let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '+');
        let end = self.rest.find(|c: char| !part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    /// `'it''s'`
    fn text(&mut self) -> Option<String> {
        let mut out = String::new();
        let mut rest = &self.rest[1..];
        loop {
            let (before, after) = rest.split_once('\'')?;
            out.push_str(before);
            match after.strip_prefix('\'') {
                Some(more) => {
                    out.push('\'');
                    rest = more;
                }
                None => {
                    self.rest = after;
                    return Some(out);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_read() {
        let name = |name: &str| Step::Name(name.to_owned());
        let path = |context: &str, steps: &[Step]| Expression::Path(context.to_owned(), steps.to_vec());
        let binary = |op, a, b| Expression::Binary(op, Box::new(a), Box::new(b));
        let text = |text: &str| Expression::Text(text.to_owned());
        assert_eq!(parse(" matrix.os "), Some(path("matrix", &[name("os")])));
        assert_eq!(
            parse("github.event['a b'][0].*"),
            Some(path("github", &[name("event"), name("a b"), Step::Index(0), Step::Any]))
        );
        assert_eq!(
            parse("a && 'b' || 'it''s'"),
            Some(binary(Operator::Or, binary(Operator::And, path("a", &[]), text("b")), text("it's")))
        );
        assert_eq!(
            parse("fromJSON('[\"a\"]')[0]"),
            Some(Expression::Call("fromjson".to_owned(), vec![text("[\"a\"]")], vec![Step::Index(0)]))
        );
        assert_eq!(parse("!(1.5 != x)"), {
            let inner = binary(Operator::Unequal, Expression::Plain("1.5".to_owned()), path("x", &[]));
            Some(Expression::Not(Box::new(inner)))
        });
        for wrong in ["", "a b", "a ||", "('a'", "'a", "f(a b)", "a.", "a[", "&& a"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        assert_eq!(parse(&"(".repeat(1000)), None);
        assert_eq!(parse(&"!".repeat(100_000)), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[ab.\\[\\]()'|&!=<>, 1*é-]{0,40}") {
            let _ = parse(&text);
        }
    }
}
