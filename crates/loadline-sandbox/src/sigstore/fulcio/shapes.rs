//! What Fulcio reads out of a token of each shape: the name that is proven, the certificate's subject
//! alternative name, and the values of its extensions.
//!
//! The numbers are those of Fulcio's `docs/oid-info.md` below 1.3.6.1.4.1.57264.1; which claim goes where is
//! in Fulcio's `config/identity/config.yaml`.

use serde_json::{Map, Value};

use super::identity::IdentityError;
use crate::sigstore::issuer::{Shape, URI_DOMAIN};

const GITHUB: &str = "https://github.com";
const GITLAB: &str = "https://gitlab.com";

/// The subject alternative name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum San {
    Email(String),
    Uri(String),
}

/// What a token says of its holder.
pub(super) struct Described {
    /// What the proof of possession signs.
    pub(super) name: String,
    pub(super) san: San,
    /// Number of the extension and its text.
    pub(super) values: Vec<(u32, String)>,
}

/// The claims, and whether one that is missing is an error.
struct Claims<'a> {
    claims: &'a Map<String, Value>,
    strict: bool,
}

impl Claims<'_> {
    fn text(&self, name: &str) -> Option<String> {
        match self.claims.get(name)? {
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A claim that a certificate cannot do without.
    fn named(&self, name: &'static str) -> Result<String, IdentityError> {
        self.text(name).ok_or(match self.strict {
            true => IdentityError::Template(name),
            false => IdentityError::Claim(name),
        })
    }

    /// `text` with each `{claim}` filled in; none when one is missing and that is allowed.
    fn filled(&self, text: &'static str) -> Result<Option<String>, IdentityError> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}').unwrap_or((after, ""));
            filled.push_str(before);
            match self.text(name) {
                Some(value) => filled.push_str(&value),
                None if self.strict => return Err(IdentityError::Template(name)),
                None => return Ok(None),
            }
            rest = behind;
        }
        filled.push_str(rest);
        Ok(Some(filled))
    }

    fn values(&self, templates: &[(u32, &'static str)]) -> Result<Vec<(u32, String)>, IdentityError> {
        let mut values = Vec::new();
        for (number, template) in templates {
            values.extend(self.filled(template)?.map(|value| (*number, value)));
        }
        values.extend(self.text("environment").map(|environment| (23, environment)));
        Ok(values)
    }
}

/// Reads the claims as Fulcio does for an issuer of this shape.
pub(super) fn describe(claims: &Map<String, Value>, shape: Shape) -> Result<Described, IdentityError> {
    let claims = Claims { claims, strict: shape != Shape::Any };
    let subject = claims.text("sub").ok_or(IdentityError::Claim("sub"))?;
    let has = |name: &str| claims.claims.contains_key(name);
    let mut described = match shape {
        Shape::GitHub => github(&claims, &subject)?,
        Shape::GitLab => gitlab(&claims, &subject)?,
        Shape::Email => email(&claims)?,
        Shape::Uri => uri(&subject)?,
        Shape::Any if has("repository") || has("job_workflow_ref") => github(&claims, &subject)?,
        Shape::Any if has("project_path") || has("ci_config_ref_uri") => gitlab(&claims, &subject)?,
        Shape::Any if has("email") => email(&claims)?,
        Shape::Any if is_uri(&subject) => plain(subject.clone(), San::Uri(subject.clone())),
        Shape::Any if is_email(&subject) => plain(subject.clone(), San::Email(subject.clone())),
        Shape::Any => return Err(IdentityError::Subject(subject)),
    };
    described.values.push((24, subject));
    Ok(described)
}

fn plain(name: String, san: San) -> Described {
    Described { name, san, values: Vec::new() }
}

fn github(claims: &Claims<'_>, subject: &str) -> Result<Described, IdentityError> {
    let workflow = claims.named("job_workflow_ref")?;
    claims.named("repository")?;
    let values = claims.values(&[
        (2, "{event_name}"),
        (3, "{sha}"),
        (4, "{workflow}"),
        (5, "{repository}"),
        (6, "{ref}"),
        (9, "https://github.com/{job_workflow_ref}"),
        (10, "{job_workflow_sha}"),
        (11, "{runner_environment}"),
        (12, "https://github.com/{repository}"),
        (13, "{sha}"),
        (14, "{ref}"),
        (15, "{repository_id}"),
        (16, "https://github.com/{repository_owner}"),
        (17, "{repository_owner_id}"),
        (18, "https://github.com/{workflow_ref}"),
        (19, "{workflow_sha}"),
        (20, "{event_name}"),
        (21, "https://github.com/{repository}/actions/runs/{run_id}/attempts/{run_attempt}"),
        (22, "{repository_visibility}"),
    ])?;
    Ok(Described { name: subject.to_owned(), san: San::Uri(format!("{GITHUB}/{workflow}")), values })
}

fn gitlab(claims: &Claims<'_>, subject: &str) -> Result<Described, IdentityError> {
    let definition = format!("https://{}", claims.named("ci_config_ref_uri")?);
    let project = claims.named("project_path")?;
    let mut values = claims.values(&[
        (10, "{ci_config_sha}"),
        (11, "{runner_environment}"),
        (13, "{sha}"),
        (15, "{project_id}"),
        (16, "https://gitlab.com/{namespace_path}"),
        (17, "{namespace_id}"),
        (19, "{ci_config_sha}"),
        (20, "{pipeline_source}"),
        (21, "https://gitlab.com/{project_path}/-/jobs/{job_id}"),
        (22, "{project_visibility}"),
    ])?;
    values.push((9, definition.clone()));
    values.push((12, format!("{GITLAB}/{project}")));
    values.push((18, definition.clone()));
    let of_branch = claims.text("ref_type").is_some_and(|kind| kind == "branch");
    if claims.strict {
        claims.named("ref_type")?;
    }
    let place = if of_branch { "refs/heads/{ref}" } else { "refs/tags/{ref}" };
    values.extend(claims.filled(place)?.map(|full| (14, full)));
    Ok(Described { name: subject.to_owned(), san: San::Uri(definition), values })
}

fn email(claims: &Claims<'_>) -> Result<Described, IdentityError> {
    let address = claims.text("email").ok_or(IdentityError::Claim("email"))?;
    if claims.claims.get("email_verified") != Some(&Value::Bool(true)) {
        return Err(IdentityError::EmailNotVerified);
    }
    if !is_email(&address) {
        return Err(IdentityError::Email);
    }
    Ok(plain(address.clone(), San::Email(address)))
}

/// A subject of the configured domain: its scheme and host, any port and path.
fn uri(subject: &str) -> Result<Described, IdentityError> {
    if is_email(subject) {
        return Err(IdentityError::EmailAsUri);
    }
    let (subject_url, domain) = (url::Url::parse(subject), url::Url::parse(URI_DOMAIN));
    match (subject_url, domain) {
        (Ok(url), Ok(domain)) if url.scheme() == domain.scheme() && url.host() == domain.host() => {
            Ok(plain(subject.to_owned(), San::Uri(subject.to_owned())))
        }
        _ => Err(IdentityError::SubjectDomain(URI_DOMAIN)),
    }
}

fn is_email(subject: &str) -> bool {
    let parts = subject.split_once('@');
    subject.is_ascii()
        && !subject.contains(char::is_whitespace)
        && !subject.contains("://")
        && parts.is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
}

fn is_uri(subject: &str) -> bool {
    let scheme = subject.split_once(':').map_or("", |(scheme, _)| scheme);
    subject.is_ascii()
        && !subject.contains(char::is_whitespace)
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}
