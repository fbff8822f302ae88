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
    let lines: Vec<_> = risks.iter().map(|risk| format!("- {}", line(risk))).collect();
    let message = format!(
        "hf2ms asks before it copies {} to {}. Accepting allows this:\n{}\nWhat stands in quotation marks comes from a repository.",
        quoted(&request.source.to_string()),
        quoted(&request.destination.to_string()),
        lines.join("\n")
    );
    let required: Vec<_> = fields.keys().cloned().collect();
    let form = ElicitationSchema::new(fields);
    let form = if required.is_empty() { form } else { form.with_required(required) };
    ElicitRequestParams::FormElicitationParams { meta: None, message: shown(&cut(&message, MOST)), requested_schema: form }
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
