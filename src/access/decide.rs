//! The rule: may this caller do this? One table for every door; nothing is looked up here.

use super::{Caller, Grant, Role};
use crate::model::{AreaCode, UnitId};

/// What somebody wants to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// See the picture: layers, alerts, orders, feeds.
    Look,
    /// See a department's receipts and rejected rows, which may hold what its contract keeps from the lake.
    Inspect {
        /// Whose.
        department: String,
    },
    /// Land, mend or withdraw a department's rows.
    Submit {
        /// Whose.
        department: String,
    },
    /// Take or close an order.
    Step {
        /// Whose it is.
        unit: UnitId,
        /// Where it is; none where its alert has no area.
        area: Option<AreaCode>,
    },
    /// Everything that is none of these.
    Manage,
}

impl Deed {
    /// The word in the audit log.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Inspect { .. } => "inspect",
            Self::Submit { .. } => "submit",
            Self::Step { .. } => "step",
            Self::Manage => "manage",
        }
    }
}

/// Why not. Each says what would be needed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// The token names none of cityloom's roles.
    #[error("the token carries no role; ask for one of: viewer, officer, unit, duty, admin")]
    NoRole,
    /// A role is missing.
    #[error("this needs the role {needed}")]
    Role {
        /// Which would do.
        needed: &'static str,
    },
    /// The feed is another department's.
    #[error("the feed is `{wanted}`'s, and the token is for {}", held.as_deref().map_or("no department".into(), |d| format!("`{d}`")))]
    Department {
        /// Whose feed it is.
        wanted: String,
        /// Whose officer asks.
        held: Option<String>,
    },
    /// The order is another unit's.
    #[error("the order is `{wanted}`'s, which is none of the token's units")]
    Unit {
        /// Whose order it is.
        wanted: UnitId,
    },
    /// The order lies elsewhere.
    #[error("the order lies outside area {held}, which the token is for")]
    Area {
        /// Where the token holds.
        held: AreaCode,
    },
}

impl Denial {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoRole => "NO_ROLE",
            Self::Role { .. } => "ROLE_MISSING",
            Self::Department { .. } => "OTHER_DEPARTMENT",
            Self::Unit { .. } => "OTHER_UNIT",
            Self::Area { .. } => "OTHER_AREA",
        }
    }
}

/// May they?
///
/// # Errors
/// What is missing.
pub fn may(caller: &Caller, deed: &Deed) -> Result<(), Denial> {
    let Caller::Known(grant) = caller else { return Ok(()) };
    if grant.roles.is_empty() {
        return Err(Denial::NoRole);
    }
    if grant.roles.contains(&Role::Admin) {
        return Ok(());
    }
    match deed {
        Deed::Look => Ok(()),
        Deed::Inspect { department } | Deed::Submit { department } => own_department(grant, department),
        Deed::Step { unit, area } => step(grant, unit, area.as_ref()),
        Deed::Manage => Err(Denial::Role { needed: "admin" }),
    }
}

fn own_department(grant: &Grant, wanted: &str) -> Result<(), Denial> {
    if !grant.roles.contains(&Role::Officer) {
        return Err(Denial::Role { needed: "officer" });
    }
    if grant.department.as_deref() != Some(wanted) {
        return Err(Denial::Department { wanted: wanted.to_owned(), held: grant.department.clone() });
    }
    Ok(())
}

fn step(grant: &Grant, unit: &UnitId, area: Option<&AreaCode>) -> Result<(), Denial> {
    let duty = grant.roles.contains(&Role::Duty);
    if !duty && !grant.roles.contains(&Role::Unit) {
        return Err(Denial::Role { needed: "unit or duty" });
    }
    if !duty && !grant.units.contains(unit) {
        return Err(Denial::Unit { wanted: unit.clone() });
    }
    match &grant.area {
        // What lies nowhere lies in the whole city only.
        Some(held) if !area.is_some_and(|area| held.contains(area)) => {
            Err(Denial::Area { held: held.clone() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Micros;

    fn caller(roles: &[Role], department: Option<&str>, units: &[&str], area: Option<&str>) -> Caller {
        Caller::Known(Box::new(Grant {
            id: None,
            issued: None,
            subject: "u1".into(),
            name: "Li".into(),
            roles: roles.iter().copied().collect(),
            department: department.map(str::to_owned),
            units: units.iter().map(|unit| UnitId((*unit).into())).collect(),
            area: area.map(|area| area.parse().unwrap()),
            until: Micros(i64::MAX),
        }))
    }

    fn submit(department: &str) -> Deed {
        Deed::Submit { department: department.into() }
    }

    fn order(unit: &str, area: Option<&str>) -> Deed {
        Deed::Step { unit: UnitId(unit.into()), area: area.map(|area| area.parse().unwrap()) }
    }

    fn code(caller: &Caller, deed: &Deed) -> &'static str {
        may(caller, deed).map_or_else(|denial| denial.code(), |()| "yes")
    }

    #[test]
    fn whoever_has_a_role_may_look_and_nobody_without() {
        for role in Role::ALL {
            assert_eq!(code(&caller(&[role], None, &[], None), &Deed::Look), "yes", "{role}");
        }
        assert_eq!(code(&caller(&[], Some("traffic"), &[], None), &Deed::Look), "NO_ROLE");
        assert_eq!(code(&Caller::Anybody, &Deed::Manage), "yes");
    }

    #[test]
    fn an_officer_lands_for_the_own_department_only() {
        let officer = caller(&[Role::Officer], Some("traffic"), &[], None);
        assert_eq!(code(&officer, &submit("traffic")), "yes");
        assert_eq!(code(&officer, &submit("police")), "OTHER_DEPARTMENT");
        assert_eq!(code(&officer, &Deed::Inspect { department: "police".into() }), "OTHER_DEPARTMENT");
        assert_eq!(code(&caller(&[Role::Officer], None, &[], None), &submit("traffic")), "OTHER_DEPARTMENT");
        let others = [Role::Viewer, Role::Unit, Role::Duty];
        assert_eq!(code(&caller(&others, Some("traffic"), &[], None), &submit("traffic")), "ROLE_MISSING");
        assert_eq!(code(&officer, &Deed::Manage), "ROLE_MISSING");
        assert_eq!(code(&caller(&[Role::Admin], None, &[], None), &submit("police")), "yes");
    }

    #[test]
    fn a_unit_takes_its_own_orders_and_a_duty_officer_those_of_the_area() {
        let unit = caller(&[Role::Unit], None, &["traffic-320613"], None);
        assert_eq!(code(&unit, &order("traffic-320613", Some("320613001"))), "yes");
        assert_eq!(code(&unit, &order("traffic-320612", Some("320613001"))), "OTHER_UNIT");
        let duty = caller(&[Role::Duty], None, &[], Some("320613"));
        assert_eq!(code(&duty, &order("anyone", Some("320613001"))), "yes");
        assert_eq!(code(&duty, &order("anyone", Some("320612"))), "OTHER_AREA");
        assert_eq!(code(&duty, &order("anyone", Some("3206"))), "OTHER_AREA");
        assert_eq!(code(&duty, &order("anyone", None)), "OTHER_AREA");
        assert_eq!(code(&caller(&[Role::Duty], None, &[], None), &order("anyone", None)), "yes");
        let here = caller(&[Role::Unit], None, &["u"], Some("320613"));
        assert_eq!(code(&here, &order("u", Some("320612"))), "OTHER_AREA");
        assert_eq!(code(&caller(&[Role::Viewer], None, &["u"], None), &order("u", None)), "ROLE_MISSING");
    }
}
