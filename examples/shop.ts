/**
 * The example shop's database: products, stock and orders in bun:sqlite. Called by
 * the example server, in its only thread.
 */
import { Database } from "bun:sqlite";

import { orderPlaced, outOfStock } from "./events.ts";

/** A product and how many of it there are. */
export interface Product {
  readonly id: number;
  readonly name: string;
  readonly cents: number;
  readonly stock: number;
}

/** A product in an order. */
export interface Line {
  readonly product: number;
  readonly count: number;
}

/** An order as it is kept. */
export interface Order {
  readonly id: number;
  readonly customer: string;
  readonly cents: number;
}

/** An order that cannot be placed. */
export class OutOfStock extends Error {
  override name = "OutOfStock";
}

const SCHEMA = `
  CREATE TABLE product (id INTEGER PRIMARY KEY, name TEXT NOT NULL, cents INTEGER NOT NULL, stock INTEGER NOT NULL);
  CREATE TABLE "order" (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, cents INTEGER NOT NULL);
  CREATE TABLE line ("order" INTEGER NOT NULL, product INTEGER NOT NULL, count INTEGER NOT NULL);
`;

const NAMES = ["apple", "bread", "cheese", "dates", "eggs", "figs", "garlic", "honey", "ink", "jam"];

/** How many of a product a delivery brings. */
const DELIVERY = 100;

/** The shop. */
export class Shop {
  readonly #database: Database;
  readonly #place: (customer: string, lines: readonly Line[]) => Order;

  /** @param path of the database; ":memory:" for one that ends with the process. */
  constructor(path: string) {
    this.#database = new Database(path);
    this.#database.run(SCHEMA);
    const add = this.#database.prepare("INSERT INTO product (name, cents, stock) VALUES (?, ?, ?)");
    NAMES.forEach((name, i) => add.run(name, 99 + 50 * i, DELIVERY));
    this.#place = this.#database.transaction((customer, lines) => this.#insert(customer, lines));
  }

  /** All products. */
  products(): Product[] {
    return this.#database.query<Product, []>("SELECT * FROM product ORDER BY id").all();
  }

  /** A product, or null. */
  product(id: number): Product | null {
    return this.#database.query<Product, [number]>("SELECT * FROM product WHERE id = ?").get(id);
  }

  /** An order, or null. */
  order(id: number): Order | null {
    return this.#database.query<Order, [number]>('SELECT * FROM "order" WHERE id = ?').get(id);
  }

  /**
   * Places an order: all of it or nothing.
   * @throws OutOfStock when there is too little of a product; more is on its way then.
   */
  place(customer: string, lines: readonly Line[]): Order {
    const order = this.#place(customer, lines);
    orderPlaced(order.id, lines.length, order.cents);
    return order;
  }

  /** More of a product has come. */
  deliver(product: number): void {
    this.#database.query("UPDATE product SET stock = stock + ? WHERE id = ?").run(DELIVERY, product);
  }

  close(): void {
    this.#database.close();
  }

  #insert(customer: string, lines: readonly Line[]): Order {
    let cents = 0;
    for (const { product, count } of lines) {
      const found = this.product(product);
      if (!found || found.stock < count) {
        outOfStock(product, count, found?.stock ?? 0);
        throw new OutOfStock(`${found?.name ?? "product"} ${product}: ${found?.stock ?? 0} left`);
      }
      this.#database.query("UPDATE product SET stock = stock - ? WHERE id = ?").run(count, product);
      cents += found.cents * count;
    }
    const { lastInsertRowid } = this.#database
      .query('INSERT INTO "order" (customer, cents) VALUES (?, ?)')
      .run(customer, cents);
    const id = Number(lastInsertRowid);
    const add = this.#database.query('INSERT INTO line ("order", product, count) VALUES (?, ?, ?)');
    for (const { product, count } of lines) add.run(id, product, count);
    return { id, customer, cents };
  }
}
