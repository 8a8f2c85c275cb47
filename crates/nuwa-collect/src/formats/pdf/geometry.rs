//! Points of a page and what moves them.

use std::ops::{Add, Mul, Sub};

/// A point, or the way from one to another.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Point {
    pub x: f64,
    pub y: f64,
}

impl Point {
    pub const ORIGIN: Self = Self::new(0.0, 0.0);

    pub const fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }

    pub fn dot(self, other: Self) -> f64 {
        self.x * other.x + self.y * other.y
    }

    pub fn cross(self, other: Self) -> f64 {
        self.x * other.y - self.y * other.x
    }

    pub fn length(self) -> f64 {
        self.x.hypot(self.y)
    }

    /// The same way with length 1; where there is none, to the right.
    pub fn direction(self) -> Self {
        match self.length() {
            length if length > 0.0 => Self::new(self.x / length, self.y / length),
            _ => Self::new(1.0, 0.0),
        }
    }
}

impl Add for Point {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::new(self.x + other.x, self.y + other.y)
    }
}

impl Sub for Point {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self::new(self.x - other.x, self.y - other.y)
    }
}

/// The six numbers `a b c d e f` of a matrix in a PDF: `(x, y)` goes to `(ax + cy + e, bx + dy + f)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Transform(pub [f64; 6]);

impl Transform {
    pub const IDENTITY: Self = Self([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    pub const fn shift(x: f64, y: f64) -> Self {
        Self([1.0, 0.0, 0.0, 1.0, x, y])
    }
}

/// First the right one, then the left one.
impl Mul for Transform {
    type Output = Self;
    fn mul(self, first: Self) -> Self {
        let Self([a, b, c, d, ..]) = first;
        let origin = self * (first * Point::ORIGIN);
        let way = |x, y| self * Point::new(x, y) - self * Point::ORIGIN;
        let (right, up) = (way(a, b), way(c, d));
        Self([right.x, right.y, up.x, up.y, origin.x, origin.y])
    }
}

impl Mul<Point> for Transform {
    type Output = Point;
    fn mul(self, point: Point) -> Point {
        let Self([a, b, c, d, e, f]) = self;
        Point::new(a * point.x + c * point.y + e, b * point.x + d * point.y + f)
    }
}
