//! What was used, for whoever asks.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use mu_db::keys::records as keys;
use mu_db::{KeyRange, Order, Row, Scan, ScanLimit, Select};
use mu_stack::StackId;

use super::{Counts, DAYS_KEPT, Day, UsageError, UsageLedger};

/// Counters read at once.
const PAGE: ScanLimit = ScanLimit { rows: 2_048, bytes: 1 << 20 };

/// What a stack has used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackUsage {
    /// Each function that has used something, by its name. Functions that are gone are still there.
    pub functions: BTreeMap<String, Counts>,
    /// What belongs to the stack and none of its functions: the traffic of its gateways.
    pub unattributed: Counts,
}

impl StackUsage {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> Counts {
        self.functions.values().fold(self.unattributed, |sum, counts| sum.plus(counts))
    }

    fn add(&mut self, function: String, counts: &Counts) {
        let sum = match function.as_str() {
            "" => &mut self.unattributed,
            _ => self.functions.entry(function).or_default(),
        };
        *sum = sum.plus(counts);
    }
}

impl UsageLedger {
    /// What a stack has used since it exists, about a second behind.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn totals(&self, stack: &StackId) -> Result<StackUsage, UsageError> {
        let mut usage = StackUsage::default();
        let range = keys::usage_totals(stack.key());
        let function = |row: &Row| keys::parse_usage_total(stack.key(), &row.key);
        self.each(range, function, |function, counts| usage.add(function, counts)).await?;
        Ok(usage)
    }

    /// What a stack has used on some days (UTC). At most [`DAYS_KEPT`] of them can be asked for, and are kept.
    ///
    /// # Errors
    /// When too many days are asked for, or the database fails.
    pub async fn of_days(&self, stack: &StackId, days: RangeInclusive<Day>) -> Result<StackUsage, UsageError> {
        let mut usage = StackUsage::default();
        self.each_of_days(stack, days, |_, function, counts| usage.add(function, counts)).await?;
        Ok(usage)
    }

    /// What a whole stack has used, day by day (UTC). Days on which it used nothing are left out.
    ///
    /// # Errors
    /// When too many days are asked for, or the database fails.
    pub async fn by_day(
        &self,
        stack: &StackId,
        days: RangeInclusive<Day>,
    ) -> Result<BTreeMap<Day, Counts>, UsageError> {
        let mut usage: BTreeMap<Day, Counts> = BTreeMap::new();
        let add = |day, _, counts: &Counts| {
            let sum = usage.entry(day).or_default();
            *sum = sum.plus(counts);
        };
        self.each_of_days(stack, days, add).await?;
        Ok(usage)
    }

    async fn each_of_days(
        &self,
        stack: &StackId,
        days: RangeInclusive<Day>,
        mut each: impl FnMut(Day, String, &Counts),
    ) -> Result<(), UsageError> {
        let (first, last) = days.into_inner();
        if last.days_since(first) > DAYS_KEPT {
            return Err(UsageError::TooManyDays { first, last });
        }
        let range = keys::usage_of_days(stack.key(), first.number(), last.number());
        let of_day = |row: &Row| keys::parse_usage_of_day(stack.key(), &row.key);
        self.each(range, of_day, |(day, function), counts| each(Day::from_number(day), function, counts)).await
    }

    async fn each<K>(
        &self,
        mut range: KeyRange,
        parse: impl Fn(&Row) -> Option<K>,
        mut each: impl FnMut(K, &Counts),
    ) -> Result<(), UsageError> {
        const UNREADABLE: UsageError = UsageError::UnreadableRecord { what: "a usage counter" };
        loop {
            let scan = Scan { range: range.clone(), order: Order::Ascending, limit: PAGE, select: Select::Rows };
            let page = self.kv.scan(scan).await?;
            for row in &page.rows {
                let counts = Counts::decode(&row.value).ok_or(UNREADABLE)?;
                each(parse(row).ok_or(UNREADABLE)?, &counts);
            }
            match page.rows.last() {
                Some(last) if page.cut.is_some() => range = range.after(&last.key),
                _ => return Ok(()),
            }
        }
    }
}
