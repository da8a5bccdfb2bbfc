//! Problems of a configuration: place, cause, fix. All of them at once, in the order of the file.

use std::error::Error;
use std::fmt;
use std::ops::Range;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use super::Source;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable, for scripts (`unknown-key`, `missing-variable`, ...).
    pub code: &'static str,
    /// Bytes of the source; none when it has no place in it.
    pub at: Option<Range<usize>>,
    /// What is wrong.
    pub cause: String,
    /// What to do.
    pub fix: Option<String>,
}

impl Problem {
    /// A problem that has no place yet.
    pub fn new(code: &'static str, cause: impl Into<String>) -> Self {
        Self { code, at: None, cause: cause.into(), fix: None }
    }

    /// The same problem with a place.
    #[must_use]
    pub fn at(mut self, at: Range<usize>) -> Self {
        self.at = Some(at);
        self
    }

    /// The same problem with a place, if it had none.
    #[must_use]
    pub fn or_at(mut self, at: &Range<usize>) -> Self {
        self.at.get_or_insert_with(|| at.clone());
        self
    }

    /// The same problem with advice.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// Every problem of one configuration.
#[derive(Clone, Debug)]
pub struct ConfigErrors {
    source: Source,
    problems: Vec<Problem>,
}

impl ConfigErrors {
    /// Problems of this source.
    pub fn new(source: Source, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.at.as_ref().map_or(usize::MAX, |at| at.start));
        Self { source, problems }
    }

    /// The file could not be read at all.
    pub fn unreadable(name: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let fix = match error.kind() {
            ErrorKind::NotFound => {
                "check the path; `seawall serve` needs no file when a provider's key is in the environment"
            }
            ErrorKind::InvalidData => "a configuration is text in UTF-8; is this the right file?",
            ErrorKind::PermissionDenied => "let this user read it",
            _ => "name a file of text",
        };
        let problem = Problem::new("unreadable-file", format!("cannot read {name}: {error}")).fix(fix);
        Self::new(Source::new(name, ""), vec![problem])
    }

    /// What was found, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The problems alone.
    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Line of a problem, counted from 1.
    pub fn line_of(&self, problem: &Problem) -> Option<usize> {
        problem.at.as_ref().map(|at| self.source.line_and_column(at.start).0)
    }

    /// For people: the quoted lines with carets. Colours and line drawing as the terminal allows.
    pub fn render(&self) -> String {
        self.render_with(GraphicalReportHandler::new())
    }

    /// As [`Self::render`], but always plain text.
    pub fn render_plain(&self) -> String {
        self.render_with(GraphicalReportHandler::new_themed(GraphicalTheme::none()).with_width(110))
    }

    fn render_with(&self, handler: GraphicalReportHandler) -> String {
        let mut text = String::new();
        for problem in &self.problems {
            let place = NamedSource::new(self.source.name(), self.source.text().to_owned());
            let report = Report { problem, place };
            if handler.render_report(&mut text, &report).is_err() {
                text.push_str(&problem.cause);
            }
            text.push('\n');
        }
        text
    }
}

impl fmt::Display for ConfigErrors {
    /// One line a problem, for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(self.source.name())?;
            if let Some(at) = &problem.at {
                let (line, column) = self.source.line_and_column(at.start);
                write!(f, ":{line}:{column}")?;
            }
            write!(f, ": {}", problem.cause)?;
            if let Some(fix) = &problem.fix {
                write!(f, " ({fix})")?;
            }
        }
        Ok(())
    }
}

impl Error for ConfigErrors {}

/// One problem in miette's terms.
#[derive(Debug)]
struct Report<'a> {
    problem: &'a Problem,
    place: NamedSource<String>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.cause)
    }
}

impl Error for Report<'_> {}

impl Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.problem.code))
    }
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.fix.as_ref().map(|fix| Box::new(fix) as Box<dyn fmt::Display>)
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.problem.at.as_ref().map(|_| &self.place as &dyn SourceCode)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let at = self.problem.at.clone()?;
        Some(Box::new(std::iter::once(LabeledSpan::underline(at))))
    }
}
