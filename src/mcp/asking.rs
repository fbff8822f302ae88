//! Asking a person, through their client: by a round trip where a request may be answered with a question, else by a request of our own,
//! else not at all. What was asked for stays on this side; the client carries a handle of it.

use std::collections::BTreeMap;

use rmcp::RoleServer;
use rmcp::model::{
    BooleanSchema, CallToolRequestParams, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationCapability, ElicitationSchema,
    InputRequest, InputRequiredResult, InputResponses, PrimitiveSchemaDefinition, ProtocolVersion, Request,
};
use rmcp::service::RequestContext;
use serde_json::Value;

use super::render::{cut, shown};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::migration::KeptPlan;
use crate::plan::Risk;

/// The one question's name among the questions of an answer.
const QUESTION: &str = "confirm";
/// The field that a person sets where more people could read the copy.
const LOOSEN: &str = "loosen_visibility";
/// The field that a person sets where files are deleted.
const DELETE: &str = "delete_files";
/// No question is longer.
const MOST: usize = 1_500;

/// One call that may ask.
pub(super) struct Asking<'a> {
    context: &'a RequestContext<RoleServer>,
    handle: Option<String>,
    replies: Option<InputResponses>,
}

/// What a person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Yes,
    /// They said no, or accepted without setting what has to be set.
    No,
    /// They closed the question, or nobody was there.
    Nothing,
}

/// What asking came to.
pub(super) enum Asked {
    Answered(Word),
    /// The answer comes with another call.
    Later(InputRequiredResult),
    /// This client cannot be asked.
    Nobody,
}

impl<'a> Asking<'a> {
    pub(super) fn new(context: &'a RequestContext<RoleServer>, request: &mut CallToolRequestParams) -> Self {
        Self { context, handle: request.request_state.take(), replies: request.input_responses.take() }
    }

    /// The answer that this call brings, with the risks that were asked for. Each question is answered once.
    ///
    /// Fails with `Conflict` when this plan has no such question, and with `Usage` when it is no answer.
    pub(super) fn answer(&mut self, config: &Config, plan: &mut KeptPlan) -> Result<Option<(Word, Vec<Risk>)>> {
        let reply = self.replies.take().and_then(|mut replies| replies.remove(QUESTION));
        let (Some(handle), Some(reply)) = (self.handle.take(), reply) else { return Ok(None) };
        let risks = plan.answered(config, &handle)?;
        let reply: ElicitResult = serde_json::from_value(reply)
            .map_err(|_| Error::usage("the answer to the question is none", "call migrate with the plan_id again: it asks anew"))?;
        Ok(Some((word_of(&reply, &risks), risks)))
    }

    /// Asks for these risks.
    pub(super) async fn ask(&self, config: &Config, plan: &mut KeptPlan, risks: &[Risk]) -> Result<Asked> {
        let capabilities = self.context.client_capabilities();
        if !capabilities.and_then(|can| can.elicitation).is_some_and(|can| has_forms(&can)) {
            return Ok(Asked::Nobody);
        }
        let question = question(plan, risks);
        if self.context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28) {
            let handle = plan.ask(config, risks)?;
            let questions = BTreeMap::from([(QUESTION.to_owned(), InputRequest::Elicitation(Request::new(question)))]);
            return Ok(Asked::Later(InputRequiredResult::new(Some(questions), Some(handle))));
        }
        let answer = tokio::select! {
            answer = self.context.peer.create_elicitation(question) => answer,
            () = self.context.ct.cancelled() => return Ok(Asked::Answered(Word::Nothing)),
        };
        match answer {
            Ok(reply) => Ok(Asked::Answered(word_of(&reply, risks))),
            // a client that offers forms and shows none
            Err(_) => Ok(Asked::Nobody),
        }
    }
}

/// One that names no kind of its own has forms: others came later.
fn has_forms(can: &ElicitationCapability) -> bool {
    can.form.is_some() || can.url.is_none()
}

fn word_of(reply: &ElicitResult, risks: &[Risk]) -> Word {
    let set = |field: &str| reply.content.as_ref().and_then(|content| content.get(field)) == Some(&Value::Bool(true));
    let all_set = (!loosens(risks) || set(LOOSEN)) && (!deletes(risks) || set(DELETE));
    match reply.action {
        ElicitationAction::Accept if all_set => Word::Yes,
        ElicitationAction::Accept | ElicitationAction::Decline => Word::No,
        _ => Word::Nothing,
    }
}

fn loosens(risks: &[Risk]) -> bool {
    risks.iter().any(|risk| matches!(risk, Risk::LoosenedVisibility { .. }))
}

fn deletes(risks: &[Risk]) -> bool {
    risks.iter().any(|risk| matches!(risk, Risk::Delete { .. }))
}

/// The form. Accepting it is the answer; only more readers, and deleting, have to be allowed by a field of their own.
fn question(plan: &KeptPlan, risks: &[Risk]) -> ElicitRequestParams {
    let field = BooleanSchema::new().title("Let more people read the files").with_default(false);
    let field = field.description("Set it to put the files where more people can read them.");
    let delete = BooleanSchema::new().title("Delete files at the destination").with_default(false);
    let delete = delete.description("Set it to delete there what the source does not have.");
    let fields = [(loosens(risks), LOOSEN, field), (deletes(risks), DELETE, delete)].into_iter().filter(|(asked, ..)| *asked);
    let fields: BTreeMap<_, _> = fields.map(|(_, name, field)| (name.to_owned(), PrimitiveSchemaDefinition::Boolean(field))).collect();
    let request = &plan.request;
    let message = words(&request.source.to_string(), &request.destination.to_string(), risks);
    let required: Vec<_> = fields.keys().cloned().collect();
    let form = ElicitationSchema::new(fields);
    let form = if required.is_empty() { form } else { form.with_required(required) };
    ElicitRequestParams::FormElicitationParams { meta: None, message: shown(&message), requested_schema: form }
}

/// What a person reads, in no more than [`MOST`] characters: an answer allows every risk, so none is without its line.
fn words(from: &str, to: &str, risks: &[Risk]) -> String {
    let head = format!("hf2ms asks before it copies {} to {}. Accepting allows this:\n", quoted(from), quoted(to));
    let end = "\nWhat stands in quotation marks comes from a repository.";
    let lines: Vec<_> = risks.iter().map(|risk| format!("- {}", line(risk))).collect();
    let room = MOST.saturating_sub(head.chars().count() + end.chars().count() + lines.len());
    format!("{head}{}{end}", fitting(lines, room).join("\n"))
}

/// The lines in so many characters together: the longest lose their ends, and none its beginning.
fn fitting(mut lines: Vec<String>, most: usize) -> Vec<String> {
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by_key(|index| lines[*index].chars().count());
    let mut left = most;
    for (done, index) in order.iter().enumerate() {
        // what a short one leaves is for the longer ones
        lines[*index] = shortened(&lines[*index], left / (order.len() - done));
        left = left.saturating_sub(lines[*index].chars().count());
    }
    lines
}

/// The beginning of a line. Quotation marks that are opened in it are closed: what follows is not the repository's.
fn shortened(line: &str, most: usize) -> String {
    if line.chars().count() <= most {
        return line.to_owned();
    }
    let short = cut(line, most.saturating_sub(1));
    if short.matches('"').count().is_multiple_of(2) { short } else { format!("{short}\"") }
}

/// A risk, with what comes from a repository in quotation marks and cut.
pub(super) fn line(risk: &Risk) -> String {
    let files = |count: u64| if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
    match risk {
        Risk::Overwrite { files: count, first } => {
            format!("overwrites {} at the destination, with other contents: {}", files(*count), named(first, *count))
        }
        Risk::LeftOut { files: count, first, reasons } => {
            format!("leaves out {} that cannot be copied: {} (because: {})", files(*count), named(first, *count), named(reasons, 0))
        }
        Risk::LoosenedVisibility { from, to } => {
            format!("the source is {} and the destination is {}: more people could read the files", from.word(), to.word())
        }
        Risk::Delete { files: count, first, .. } => {
            format!("deletes {} that only the destination has: {}", files(*count), named(first, *count))
        }
        Risk::Cost { .. } => risk.describe(),
    }
}

/// The first three, in quotation marks.
fn named(names: &[impl ToString], count: u64) -> String {
    let first: Vec<_> = names.iter().take(3).map(|name| quoted(&name.to_string())).collect();
    let more = count.saturating_sub(first.len() as u64);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", first.join(", "))
}

/// A text of somebody's, so that it cannot be taken for ours.
fn quoted(text: &str) -> String {
    let plain: String = text.chars().map(|character| if character.is_control() || character == '"' { '\'' } else { character }).collect();
    format!("\"{}\"", cut(&plain, 100))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::{RepoPath, Sha256, Visibility};

    #[test]
    fn a_long_question_names_every_risk_and_ends_as_a_short_one() {
        let first: Vec<_> = (0..3).map(|number| RepoPath::new(format!("{number}{}", "x".repeat(300))).unwrap()).collect();
        let reasons = vec!["because ".repeat(40); 3];
        let risks = [
            Risk::Overwrite { files: 9, first: first.clone() },
            Risk::LeftOut { files: 9, first: first.clone(), reasons },
            Risk::LoosenedVisibility { from: Visibility::Private, to: Visibility::Public },
            Risk::Delete { files: 9, first, most: 50, listing: Sha256::of(b"") },
            Risk::Cost { cents: 1_234, limit_cents: 1_000 },
        ];
        let long = "n".repeat(200);
        let words = words(&format!("hf:alice/{long}"), &format!("ms:alice/{long}"), &risks);
        assert!(words.chars().count() <= MOST, "{words}");
        let lines: Vec<_> = words.lines().collect();
        let begins = ["hf2ms asks before", "- overwrites 9 files", "- leaves out 9 files", "- the source is private", "- deletes 9 files"];
        assert!(begins.iter().zip(&lines).all(|(begin, line)| line.starts_with(begin)), "{words}");
        assert_eq!(lines[5], format!("- {}", risks[4].describe()), "the short ones are whole");
        assert_eq!((lines.len(), lines[6]), (7, "What stands in quotation marks comes from a repository."));
        assert!(lines.iter().all(|line| line.matches('"').count() % 2 == 0), "{words}");
    }

    #[test]
    fn lines_that_fit_stay_as_they_are() {
        let lines = ["- a".to_owned(), "- \"b\"".to_owned()];
        assert_eq!(fitting(lines.to_vec(), 8), lines);
        assert_eq!(fitting(lines.to_vec(), 7), ["- a", "- …"]);
        assert!(fitting(Vec::new(), 0).is_empty());
    }
}
